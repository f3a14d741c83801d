-- settle.lua: end attempts and take the next jobs, many of each in one call.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
--         2 resent     string ours: this call was sent a second time
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     0|1    1 when an earlier sending's reply was lost
--         4 token      string names this call; locks the jobs it takes
--         5 lock_ms    ms     how long those locks hold
--         6 want       int    how many jobs to take at most, 0 for none, 500
--                             at most
--         7 worker     string name stored with the jobs, '' for none
--         8 limit_max  int    jobs per limit_duration, '' for no limit
--         9 limit_duration ms '' for none
--         10 points    int    BullMQ metrics: minutes kept, 0 for none
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
--         next_due is the ms of the next delayed job, 0 without; limited_ms how
--         long a rate limit holds; left 1 when more could be taken at once.
-- ERRORS  each outcome is checked before its first write. Sent again with
--         resent = 1, the call ends nothing twice and returns the same jobs. A
--         first sending that arrives behind its second one, on a connection that
--         was given up, does nothing: nobody would hear of the jobs it takes.
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include promote
-- include seldom
local now_text = int(now)
-- include finish

local worker = {
  token = ARGV[4], lock_ms = ARGV[5], name = ARGV[7],
  limit_max = tonumber(ARGV[8]), limit_duration = tonumber(ARGV[9]),
}
-- include take

local function read_outcomes()
  local list = {}
  for i = 11, #ARGV, 9 do
    list[#list + 1] = {
      kind = ARGV[i], id = ARGV[i + 1], token = ARGV[i + 2], value = ARGV[i + 3], stack = ARGV[i + 4],
      delay = tonumber(ARGV[i + 5]), keep = ARGV[i + 6], attempts = tonumber(ARGV[i + 7]),
      seen = ARGV[i + 8], resent = ARGV[3] == '1',
    }
  end
  return list
end

-- look asks once for what hardly ever exists: children of the jobs that end, and
-- the sign that this call was sent again on another connection, and heard there.
local function look(list)
  local keys, lock_keys = { KEYS[2] }, {}
  for i, o in ipairs(list) do
    local job = base .. o.id
    lock_keys[i] = job .. ':lock'
    if o.kind == 'completed' then
      local n = #keys
      keys[n + 1], keys[n + 2] = job .. ':dependencies', job .. ':unsuccessful'
    end
  end
  local some = redis.call('EXISTS', unpack(keys)) > 0
  local superseded = some and ARGV[3] == '0' and redis.call('EXISTS', KEYS[2]) == 1
  return some, superseded, #list > 0 and redis.call('MGET', unpack(lock_keys))
end

local list, want, codes = read_outcomes(), math.min(tonumber(ARGV[6]), 500), {}
local may_have_children, superseded, locks = look(list)
if superseded then return { now_text, {}, {}, '0', 0, 0 } end
promote_due()
if #list > 0 then codes = finish_all(list, locks, may_have_children) end
local points = tonumber(ARGV[10])
if points > 0 and completed_count > 0 then seldom().count_metric('completed', completed_count, points) end
if points > 0 and failed_count > 0 then seldom().count_metric('failed', failed_count, points) end
if ARGV[3] == '1' then
  redis.pcall('SET', KEYS[2], '1', 'PX', 60000) -- a server that is out of memory may refuse
  retake()
end
local missing = want - #taken / 2
if missing > 0 then take(missing) end
if put_some_off or seldom_steps then next_due = head_of_delayed() end

-- The queue is drained when what has just ended was its last work.
local held_back = want > 0 and (next_due or paused or limited_ms > 0 or maxed())
if completed_count + failed_count > 0 and #taken == 0 and not held_back then
  if redis.call('EXISTS', wait, active, prioritized) == 0 then event('drained') end
end

-- Work that is left for others, or that one call could not promote, keeps the
-- marker set.
local left = 0
if not paused and limited_ms == 0 then
  local due = next_due and next_due <= now
  if (due or not exhausted and redis.call('EXISTS', wait, prioritized) > 0) and not maxed() then
    redis.call('ZADD', marker, 0, '0')
    left = 1
  end
end

-- A call that wants nothing may come from a worker that took the marker and has
-- no use for it.
if want == 0 and next_due and not paused then mark_next() end
return { now_text, codes, taken, next_due and int(next_due) or '0', limited_ms, left }
