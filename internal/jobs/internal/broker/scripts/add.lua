-- add.lua: add jobs to a queue, all of them or, after an error, none.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     0|1    1 when an earlier sending's reply was lost
--         4 since      ms     when the first sending left, 0 unless resent
--         then eight for each job:
--           id         string
--           origin     made (by us, unique) or given (by the caller)
--           name       string
--           data       JSON
--           opts       JSON, see docs/protocol.md
--           delay      ms, or '@' and the ms since the epoch to run at
--           priority   int, 0 for the wait list
--           push       LPUSH behind all in the wait list, RPUSH before all
-- RETURNS {code, …}   per job: 0 added, 1 was there already
-- ERRORS  none after the first write: everything was checked before sending.
--         Sent again with resent = 1, a job that the first sending added, even
--         one that has finished and gone since, is not added again.
--
-- include queue
-- include event
-- include mark
-- include enqueue
-- include ensure_meta

local now = tonumber(ARGV[2])
local resent = ARGV[3] == '1'
local waiting, any_now, any_later, codes = {}, false, false, {}

-- The time is asked for only where it decides something; otherwise the id of
-- the stream entry tells it.
local function current_ms()
  if now == 0 then
    local t = redis.call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return now
end

local function told_in_stream(id)
  local entries = redis.call('XRANGE', events, ARGV[4], '+', 'COUNT', 1000)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if fields[2] == 'added' and fields[4] == id then return true end
  end
  return false
end

local function known(id, origin)
  if origin == 'made' and not resent then return false end
  if redis.call('EXISTS', base .. id) == 1 then
    if not resent then event('duplicated', 'jobId', id) end
    return true
  end
  return resent and told_in_stream(id)
end

local function delay_of(text)
  local at = string.match(text, '^@(%d+)$')
  if at then return math.max(0, tonumber(at) - current_ms()) end
  return tonumber(text)
end

local function store(id, name, data, opts, delay, priority)
  local entry = event('added', 'jobId', id, 'name', name)
  local timestamp = now > 0 and int(now) or string.match(entry, '^%d+')
  redis.call('HSET', base .. id, 'name', name, 'data', data, 'opts', opts, 'timestamp', timestamp,
    'delay', int(delay), 'priority', priority)
end

local function flush_waiting()
  for push, ids in pairs(waiting) do
    if #ids > 0 then redis.call(push, wait, unpack(ids)) end
  end
end

local function place(id, delay, priority, push)
  if delay > 0 then
    put_off(id, now + delay)
    any_later = true
    return
  end
  if priority > 0 then
    redis.call('ZADD', prioritized, priority_score(priority), id)
  else
    waiting[push] = waiting[push] or {}
    table.insert(waiting[push], id)
  end
  event('waiting', 'jobId', id)
  any_now = true
end

local function add(i)
  local id, delay = ARGV[i], delay_of(ARGV[i + 5])
  if known(id, ARGV[i + 1]) then return 1 end
  if delay > 0 then current_ms() end
  store(id, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], delay, ARGV[i + 6])
  place(id, delay, tonumber(ARGV[i + 6]), ARGV[i + 7])
  return 0
end

local count = (#ARGV - 4) / 8
redis.call('INCRBY', base .. 'id', int(count))
for i = 5, #ARGV, 8 do codes[#codes + 1] = add(i) end
flush_waiting()
if any_later then mark_next() end
if any_now then mark_now() end
return codes
