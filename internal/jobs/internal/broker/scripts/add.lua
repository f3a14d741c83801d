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
--         one that has finished and gone since, is not added again, and has the
--         same code: the first sending told the stream what it did.
--
-- include queue
-- include event
-- include mark
-- include enqueue
-- include ensure_meta

local now = tonumber(ARGV[2])
local resent = ARGV[3] == '1'
local waiting, ranked, any_now, any_later, codes, added = {}, {}, false, false, {}, 0

-- The time is asked for only where it decides something; otherwise the id of
-- the stream entry tells it.
local function current_ms()
  if now == 0 then
    local t = redis.call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return now
end

-- told_of(id) is 'added' or 'duplicated', whichever the stream told last of the
-- job since the first sending. It is read once, and only when a reply was lost,
-- the newest first, as far as the stream is usually long.
local told
local function read_page(upper)
  local entries = redis.call('XREVRANGE', events, upper, ARGV[4], 'COUNT', 1000)
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    local name, id = fields[2], fields[4]
    if (name == 'added' or name == 'duplicated') and not told[id] then told[id] = name end
  end
  return #entries == 1000 and entries[1000][1]
end

local function told_of(id)
  if told then return told[id] end
  told = {}
  local upper = '+'
  for _ = 1, 10 do
    upper = read_page(upper)
    if not upper then break end
  end
  return told[id]
end

-- Most often none of the ids is there; that is asked once for all of them.
local keys, seen = {}, {}
for i = 5, #ARGV, 8 do keys[#keys + 1] = base .. ARGV[i] end
local some_exist = #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0

-- known is the code of a job that is not to be added, or nil. A made id can be
-- there although this is the first sending: a connection that was given up may
-- still deliver it, after the second one on another connection.
local function known(id, origin)
  local exists = seen[id] or some_exist and redis.call('EXISTS', base .. id) == 1
  seen[id] = true
  if exists and origin == 'made' then return 0 end
  if resent then
    local word = told_of(id)
    if word then return word == 'added' and 0 or 1 end
  end
  if not exists then return nil end
  event('duplicated', 'jobId', id)
  return 1
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

-- flush_waiting puts the jobs in line, all in the order in which they came. The
-- priority counter moves on once for all of them.
local function flush_waiting()
  for push, ids in pairs(waiting) do
    if #ids > 0 then redis.call(push, wait, unpack(ids)) end
  end
  if #ranked == 0 then return end
  local last, rows = next_count(base .. 'pc', #ranked), {}
  for i, row in ipairs(ranked) do
    local count = (last - #ranked + i) % 4294967296
    rows[#rows + 1], rows[#rows + 2] = int(row[1] * 4294967296 + count), row[2]
  end
  redis.call('ZADD', prioritized, unpack(rows))
end

local function place(id, delay, priority, push)
  if delay > 0 then
    put_off(id, now + delay)
    any_later = true
    return
  end
  if priority > 0 then
    ranked[#ranked + 1] = { priority, id }
  else
    waiting[push] = waiting[push] or {}
    table.insert(waiting[push], id)
  end
  event('waiting', 'jobId', id)
  any_now = true
end

local function add(i)
  local id, delay = ARGV[i], delay_of(ARGV[i + 5])
  local code = known(id, ARGV[i + 1])
  if code then return code end
  if delay > 0 then current_ms() end
  store(id, ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], delay, ARGV[i + 6])
  place(id, delay, tonumber(ARGV[i + 6]), ARGV[i + 7])
  added = added + 1
  return 0
end

for i = 5, #ARGV, 8 do codes[#codes + 1] = add(i) end
local count = resent and added or #codes
if count > 0 then redis.pcall('INCRBY', base .. 'id', int(count)) end -- shown to people; ours are not from it
flush_waiting()
if any_later then mark_next() end
if any_now then mark_now() end
return codes
