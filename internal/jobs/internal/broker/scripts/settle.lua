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
--           seen      'atm stc' as they were when the attempt began
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
-- include parent
-- include delete
-- include keep
-- include dedup
-- include finish
-- include metrics

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
      seen = ARGV[i + 8], counts = counting[ARGV[i]], resent = ARGV[3] == '1',
    }
  end
  return list
end

local function tell_drained(finished, want)
  if finished == 0 or #taken > 0 then return end
  if want > 0 and (next_due or paused or maxed() or limited_ms > 0) then return end
  if redis.call('EXISTS', wait, active, prioritized) == 0 then event('drained') end
end

if ARGV[3] == '0' and redis.call('EXISTS', KEYS[2]) == 1 then return { int(now), {}, {}, '0', 0, 0 } end
local list, want, codes = read_outcomes(), math.min(tonumber(ARGV[6]), 500), {}
promote_due()
if #list > 0 then codes = finish_all(list) end
local points = tonumber(ARGV[10])
if points > 0 and ended.completed > 0 then count_metric('completed', ended.completed, points) end
if points > 0 and ended.failed > 0 then count_metric('failed', ended.failed, points) end
if ARGV[3] == '1' then
  redis.pcall('SET', KEYS[2], '1', 'PX', 60000) -- a server that is out of memory may refuse
  retake()
end
local missing = want - #taken / 2
if missing > 0 then take(missing) end
tell_drained(ended.completed + ended.failed, want)

-- More may be due than one call promotes.
local function some_left()
  if paused or limited_ms > 0 or maxed() then return false end
  if next_due and next_due <= now then return true end
  return not exhausted and redis.call('EXISTS', wait, prioritized) > 0
end

local left = some_left() and 1 or 0
if left == 1 then redis.call('ZADD', marker, 0, '0') end
return { int(now), codes, taken, next_due and int(next_due) or '0', limited_ms, left }
