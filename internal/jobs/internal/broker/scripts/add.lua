-- add.lua: add jobs to a queue, all of them or, after an error, none.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     int    0, or more with each sending whose reply was lost
--         4 elapsed    ms     since the first sending left, 0 unless resent
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
-- include told
-- include ensure_meta
local resent, now = ARGV[3] ~= '0', tonumber(ARGV[2])
local lines, ranked, seen = { LPUSH = {}, RPUSH = {} }, {}, {}
local added, any_now, any_later = 0, false, false

-- delayed has the steps that only a delayed job needs, made for the first one.
-- The time is asked for only then; otherwise the id of a stream entry tells it.
-- A delay counts from the end of the millisecond: no job begins before it is over.
-- A job that is to run at a moment is due then.
local delayed_steps, counted_from
local function delays()
  if delayed_steps then return delayed_steps end
  counted_from = now
  if now == 0 then
    local t = redis.call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
    counted_from = t[1] * 1000 + math.ceil(t[2] / 1000)
  end
  -- include mark
  -- include enqueue
  local function delay_and_due(text)
    local at = string.match(text, '^@(%d+)$')
    if at then return math.max(0, at - now), tonumber(at) end
    return tonumber(text), counted_from + tonumber(text)
  end
  delayed_steps = { delay_and_due = delay_and_due, put_off = put_off, mark_next = mark_next }
  return delayed_steps
end

-- told_of(id) is 'added' or 'duplicated', whichever the stream told last of the
-- job since the first sending. It is read once, and only when a reply was lost.
local told
local function told_of(id)
  if not told then
    told = {}
    told_since(tonumber(ARGV[4]), function(fields)
      local name, job = fields[2], fields[4]
      if (name == 'added' or name == 'duplicated') and not told[job] then told[job] = name end
    end)
  end
  return told[id]
end

-- Most often none of the ids is there; that is asked once for all of them.
local keys = {}
for i = 5, #ARGV, 8 do keys[#keys + 1] = base .. ARGV[i] end
local some_exist = #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0

-- known is the code of a job that is not to be added, or nil. A made id can be
-- there although this is the first sending: a connection that was given up may
-- still deliver it, after the second one on another connection.
local function known(id, origin)
  local exists = seen[id] or some_exist and redis.call('EXISTS', base .. id) == 1
  if exists and origin == 'made' then return 0 end
  if resent then
    local word = told_of(id)
    if word then return word == 'added' and 0 or 1 end
  end
  if not exists then return nil end
  event('duplicated', 'jobId', id)
  return 1
end

local function store(i, delay)
  local id = ARGV[i]
  local entry = event('added', 'jobId', id, 'name', ARGV[i + 2])
  local timestamp = now > 0 and int(now) or string.match(entry, '^%d+')
  redis.call('HSET', base .. id, 'name', ARGV[i + 2], 'data', ARGV[i + 3], 'opts', ARGV[i + 4], 'timestamp', timestamp,
    'delay', delay > 0 and int(delay) or '0', 'priority', ARGV[i + 6])
end

local function place(id, due, priority, push)
  if due then
    delays().put_off(id, due)
    any_later = true
    return
  end
  if priority ~= '0' then
    ranked[#ranked + 1], ranked[#ranked + 2] = tonumber(priority), id
  else
    local line = lines[push]
    line[#line + 1] = id
  end
  event('waiting', 'jobId', id)
  any_now = true
end

local function add(i)
  local id, delay = ARGV[i], ARGV[i + 5]
  if some_exist or resent or seen[id] then
    local code = known(id, ARGV[i + 1])
    if code then return code end
  end
  seen[id] = true
  local ms, due = 0, nil
  if delay ~= '0' then ms, due = delays().delay_and_due(delay) end
  store(i, ms)
  place(id, ms > 0 and due, ARGV[i + 6], ARGV[i + 7])
  added = added + 1
  return 0
end

-- A counter that somebody broke starts again.
local function count_ranked(n)
  local last = redis.pcall('INCRBY', base .. 'pc', int(n))
  if type(last) == 'number' then return last end
  redis.call('SET', base .. 'pc', int(n))
  return n
end

-- The priority counter moves on once for all, in the order in which they came.
local function rank()
  local count = count_ranked(#ranked / 2) - #ranked / 2
  for i = 1, #ranked, 2 do
    count = count + 1
    ranked[i] = int(ranked[i] * 4294967296 + count % 4294967296)
  end
  redis.call('ZADD', prioritized, unpack(ranked))
end

local codes = {}
for i = 5, #ARGV, 8 do codes[#codes + 1] = add(i) end
local count = resent and added or #codes
if count > 0 then redis.pcall('INCRBY', base .. 'id', int(count)) end -- shown to people; ours are not from it
for push, ids in pairs(lines) do
  if #ids > 0 then redis.call(push, wait, unpack(ids)) end
end
if #ranked > 0 then rank() end
if any_later then delays().mark_next() end
if any_now and not paused and not (concurrency and redis.call('LLEN', active) >= concurrency) then
  redis.call('ZADD', marker, 0, '0')
end
return codes
