-- settle.lua: end attempts and take the next jobs, many of each in one call.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
--         2 resent     string ours: the latest sending of this call, if not
--                             the first
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     int    0, or more with each sending whose reply was lost
--         4 token      string names this call; locks the jobs it takes
--         5 lock_ms    ms     how long those locks hold
--         6 want       int    how many jobs to take at most, 0 for none, 100
--                             at most
--         7 worker     string name stored with the jobs, '' for none
--         8 limit_max  int    jobs per limit_duration, '' for no limit
--         9 limit_duration ms '' for none
--         10 points    int    BullMQ metrics: minutes kept, 0 for none
--         11 heed      0|1    1 when the marker may be gone although work waits:
--                             whoever calls has taken it, or has not looked for
--                             some time
--         then nine for each outcome:
--           kind      completed, failed, retry (now), retry_first (now, at the
--                     head of the line), backoff and snooze (both put off; a
--                     snooze counts no attempt), release (back to the head of
--                     the line, no attempt counted)
--           id        job id
--           token     the lock that this attempt holds
--           value     JSON result, or the reason of the failure
--           stack     JSON array of traces
--           delay     ms, for backoff and snooze
--           keep      'count age_ms limit', see keep_policy
--           attempts  int, how many the job may make
--           seen      'atm stc ats' as they were when the attempt began, it
--                     included in ats
-- RETURNS {now, {code, …}, {id, fields, …}, next_due, limited_ms, left}
--         code per outcome: 0 done, -1 no such job, -2 lock gone, -3 not
--         active, -4 pending children, -6 foreign lock, -9 failed children.
--         now is the ms of the call, 0 when next_due is. next_due is the ms of
--         the next delayed job, 0 without; limited_ms how long a rate limit
--         holds; left 1 when more could be taken at once, as far as the call
--         has looked.
-- ERRORS  each outcome is checked before its first write. Sent again,
--         the call ends nothing twice and returns the same jobs. A sending that
--         arrives behind a later one, on a connection that was given up, does
--         nothing: nobody would hear of the jobs it takes.
--
-- include queue

-- The looks of the idle: nothing to end, nothing to take. That is most of what a
-- queue without work sees.
if #ARGV == 11 and ARGV[3] == '0' and redis.call('EXISTS', wait, prioritized, delayed, base .. 'pc', KEYS[2]) == 0 then
  return { '0', {}, {}, '0', 0, 0 }
end
-- include event
-- include due
-- include clock
local resent, want = ARGV[3] ~= '0', math.min(tonumber(ARGV[6]), 100)
local completed_rows, completed_count, failed_rows, failed_count = {}, 0, {}, 0
local taken, exhausted, limited_ms, freed = {}, false, 0, false
local next_due, put_some_off

local function field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

-- What hardly ever exists is asked for in one command: children of the jobs that
-- end, suspicions of dead workers, delayed jobs, and the sign that this call was
-- sent again on another connection, and heard there.
local looked, lock_keys = { delayed, base .. 'stalled', KEYS[2] }, {}
for i = 12, #ARGV, 9 do
  local job = base .. ARGV[i + 1]
  lock_keys[#lock_keys + 1] = job .. ':lock'
  if ARGV[i] == 'completed' then
    local n = #looked
    looked[n + 1], looked[n + 2] = job .. ':dependencies', job .. ':unsuccessful'
  end
end
local unusual = redis.call('EXISTS', unpack(looked))
if unusual > 0 then
  local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if head[2] then
    next_due, unusual = due_of(head[2]), unusual - 1
    ask_time()
  end
end
if unusual > 0 and tonumber(ARGV[3]) < (tonumber(redis.call('GET', KEYS[2])) or 0) then
  return { '0', {}, {}, '0', 0, 0 }
end

-- include seldom
-- include finish
-- include take

local codes = {}
if next_due and next_due <= now then seldom().promote_due() end
if #lock_keys > 0 then codes = finish_all(redis.call('MGET', unpack(lock_keys))) end
local points = tonumber(ARGV[10])
if points > 0 and completed_count > 0 then seldom().count_metric('completed', completed_count, points) end
if points > 0 and failed_count > 0 then seldom().count_metric('failed', failed_count, points) end
if resent then
  redis.pcall('SET', KEYS[2], ARGV[3], 'PX', 60000) -- a server that is out of memory may refuse
  seldom().retake()
end
local missing = want - #taken / 2
if missing > 0 then take(missing) end
if seldom_steps then next_due = seldom().head_of_delayed() end

local function maxed() return concurrency and redis.call('LLEN', active) >= concurrency end

-- The queue is drained when what has just ended was its last work.
local held_back = want > 0 and (next_due or paused or limited_ms > 0 or maxed())
if completed_count + failed_count > 0 and #taken == 0 and not held_back then
  if redis.call('EXISTS', wait, active, prioritized) == 0 then event('drained') end
end

-- Work that is left for others, or that one call could not promote, has the
-- marker set. A call that brought no work, freed no place that others may take,
-- and comes from a worker that never took the marker, need not look.
local left = 0
if not paused and limited_ms == 0 and (ARGV[11] == '1' or seldom_steps or concurrency) then
  local due = next_due and next_due <= now
  if (due or not exhausted and redis.call('EXISTS', wait, prioritized) > 0) and not maxed() then
    redis.call('ZADD', marker, 0, '0')
    left = 1
  end
end

-- A call that wants nothing may come from a worker that took the marker and has
-- no use for it.
if want == 0 and next_due and not paused then seldom().mark_next() end
return { now_text or '0', codes, taken, next_due and int(next_due) or '0', limited_ms, left }
