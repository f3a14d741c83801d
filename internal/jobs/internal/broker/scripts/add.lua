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
-- It is written in one piece for the reason that settle.lua gives: making a
-- function costs every call what a small command does.
--
-- include queue
-- include event
-- include ensure_meta
local call = redis.call
local added_at = ARGV[2] ~= '0' and ARGV[2] -- in ms; otherwise the id of the first event tells it
local resent = ARGV[3] ~= '0'

-- seldom() has the steps for delayed jobs, ids that exist, and calls sent again.
local steps
local function seldom()
  if steps then return steps end
  -- include names
  -- include settings
  -- include mark
  -- include enqueue
  -- include told

  -- A delay counts from the end of the millisecond: no job begins before it is
  -- over. A job that is to run at a moment is due then.
  local now = tonumber(ARGV[2])
  local counted_from = now
  if now == 0 then
    local t = redis.call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
    counted_from = t[1] * 1000 + math.ceil(t[2] / 1000)
    added_at = int(now)
  end
  local function delay_and_due(text)
    local at = string.match(text, '^@(%d+)$')
    if at then return math.max(0, at - now), tonumber(at) end
    return tonumber(text), counted_from + tonumber(text)
  end

  -- told_of(id, origin) is 'added' or 'duplicated', whichever the stream told last
  -- of the job since the first sending. It is read once, and only when a reply was
  -- lost. A made id is nobody else's, so what is told of it counts for a minute
  -- more: for as long as the server's clock was put forward meanwhile, or as this
  -- sending was under way while the server stood still.
  local told, of_made
  local function told_of(id, origin)
    if not told then
      told, of_made = {}, {}
      local elapsed = tonumber(ARGV[4])
      told_since(elapsed + 60000, function(fields, _, age)
        local name, job = fields[2], fields[4]
        if name ~= 'added' and name ~= 'duplicated' then return end
        of_made[job] = of_made[job] or name
        if age <= elapsed then told[job] = told[job] or name end
      end)
    end
    return told[id] or origin == 'made' and of_made[id]
  end

  -- known is the code of a job that is not to be added, or nil. A made id can be
  -- there although this is the first sending: a connection that was given up may
  -- still deliver it, after the second one on another connection.
  local function known(id, origin)
    local exists = redis.call('EXISTS', base .. id) == 1
    if exists and origin == 'made' then return 0 end
    if resent then
      local word = told_of(id, origin)
      if word then return word == 'added' and 0 or 1 end
    end
    if not exists then return nil end
    event('duplicated', 'jobId', id)
    return 1
  end

  steps = { delay_and_due = delay_and_due, put_off = put_off, mark_next = mark_next, known = known }
  return steps
end

-- Most often none of the ids is there; that is asked once for all of them. seen
-- are those that the call itself has added.
local keys, seen = {}, {}
for i = 5, #ARGV, 8 do keys[#keys + 1] = base .. ARGV[i] end
local some_exist = #keys > 0 and call('EXISTS', unpack(keys)) > 0

local codes, added, behind, before, ranked = {}, 0, {}, {}, {}
local any_now, any_later = false, false
for n = 1, #keys do
  local i = 8 * n - 3
  local id, delay, priority, code = ARGV[i], ARGV[i + 5], ARGV[i + 6], nil
  if some_exist or resent or seen[id] then code = seldom().known(id, ARGV[i + 1]) end
  if not code then
    local ms, due = 0, nil
    if delay ~= '0' then ms, due = seldom().delay_and_due(delay) end
    local entry = event('added', 'jobId', id, 'name', ARGV[i + 2])
    added_at = added_at or string.match(entry, '^%d+')
    call('HSET', keys[n], 'name', ARGV[i + 2], 'data', ARGV[i + 3], 'opts', ARGV[i + 4], 'timestamp', added_at,
      'delay', ms > 0 and int(ms) or '0', 'priority', priority)
    if ms > 0 then
      seldom().put_off(id, due)
      any_later = true
    else
      if priority ~= '0' then
        ranked[#ranked + 1], ranked[#ranked + 2] = tonumber(priority), id
      elseif ARGV[i + 7] == 'LPUSH' then
        behind[#behind + 1] = id
      else
        before[#before + 1] = id
      end
      event('waiting', 'jobId', id)
      any_now = true
    end
    if #keys > 1 then seen[id] = true end
    code, added = 0, added + 1
  end
  codes[n] = code
end

local count = resent and added or #codes
if count > 0 then redis.pcall('INCRBY', base .. 'id', int(count)) end -- shown to people; ours are not from it
if #behind > 0 then call('LPUSH', wait, unpack(behind)) end
if #before > 0 then call('RPUSH', wait, unpack(before)) end

-- The priority counter moves on once for all, in the order in which they came. One
-- that somebody broke starts again.
if #ranked > 0 then
  local n = #ranked / 2
  local last = redis.pcall('INCRBY', base .. 'pc', int(n))
  if type(last) ~= 'number' then
    call('SET', base .. 'pc', int(n))
    last = n
  end
  for i = 1, n do
    ranked[2 * i - 1] = int(ranked[2 * i - 1] * 4294967296 + (last - n + i) % 4294967296)
  end
  call('ZADD', prioritized, unpack(ranked))
end
if any_later then seldom().mark_next() end
if any_now and not paused and not (concurrency and call('LLEN', active) >= concurrency) then
  call('ZADD', marker, 0, '0')
end
return codes
