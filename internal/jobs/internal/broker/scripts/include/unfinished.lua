-- unfinished.lua: attempts that end in another way than with a result, and jobs
-- that cannot begin. Needs enqueue, parent, delete, dedup, keep. i is the place
-- of an outcome in ARGV.
--
-- refusal(i, lock, missing)     the code of an outcome whose attempt no longer
--                               holds its lock, or whose job is missing; nil
--                               when it counts all the same
-- children_left(job)            the code that refuses a result, or nil
-- end_unfinished(i)
-- close_unfinished(points)      what is done once for all that ended so; returns
--                               how many failed
-- fail_corrupt(id, fields, reason)
local failed_rows, failed_count, some_put_off = {}, 0, false

-- numbers are those of an outcome: 'atm stc ats delay attempts'.
local function numbers(i) return string.match(ARGV[i + 4], '^(%d+) (%d+) (%d+) (%d+) (%d+)$') end

-- An outcome that arrives again, because the reply to it was lost, has left its
-- traces: the attempt is counted, or the job is no longer active, and nobody
-- has taken the job back from a dead worker since the attempt began.
local function recorded_before(i, missing, atm, stc)
  if ARGV[3] == '0' then return false end
  if missing then return true end
  local kind, made, stalled = ARGV[i], numbers(i)
  if (tonumber(stc) or 0) ~= tonumber(stalled) then return false end
  if kind ~= 'snooze' and kind ~= 'release' then return (tonumber(atm) or 0) > tonumber(made) end
  return redis.call('GET', base .. ARGV[i + 1] .. ':lock') or not redis.call('LPOS', active, ARGV[i + 1])
end

-- A lock that ran out while nobody else took the job is still good: the server
-- was away for longer than the lock held, and that is no reason to run the job
-- twice. renew.lua thinks so too.
local function refusal(i, lock, missing)
  local fields = missing and {} or redis.call('HMGET', base .. ARGV[i + 1], 'atm', 'stc', 'ats')
  if recorded_before(i, missing, fields[1], fields[2]) then return 0 end
  if missing then return -1 end
  if lock then return -6 end
  local _, _, started = numbers(i)
  if fields[3] ~= started then return -2 end
end

local function children_left(job)
  if redis.call('EXISTS', job .. ':dependencies') == 1 then return -4 end
  if redis.call('EXISTS', job .. ':unsuccessful') == 1 then return -9 end
end

local function finish_failed(i, job, atm, attempts)
  local id, reason = ARGV[i + 1], ARGV[i + 3]
  local fields = redis.call('HMGET', job, 'deid', 'parentKey', 'parent', 'defa')
  local parent_key = fields[2]
  if fields[1] then dedup_finished(id, fields[1]) end
  if parent_key then child_failed(job, parent_key, fields[3], reason) end
  if keep_policy(ARGV[i + 5], 'failed').count == 0 then
    if parent_key then detach(job, parent_key) end
    delete_job(id)
  else
    redis.call('HSET', job, 'failedReason', reason, 'stacktrace', ARGV[i + 6], 'finishedOn', now_text, 'atm', int(atm))
    if fields[4] then redis.call('HDEL', job, 'defa') end
    local n = #failed_rows
    failed_rows[n + 1], failed_rows[n + 2] = now_text, id
  end
  event('failed', 'jobId', id, 'failedReason', reason, 'prev', 'active')
  failed_count = failed_count + 1
  if atm >= attempts then event('retries-exhausted', 'jobId', id, 'attemptsMade', int(atm)) end
end

local function wait_again(kind, id, job, delay, priority)
  if kind == 'backoff' or kind == 'snooze' then
    redis.call('HSET', job, 'delay', int(delay))
    put_off(id, now + delay)
    some_put_off = true
    return
  end
  if kind == 'release' and priority > 0 then
    redis.call('ZADD', prioritized, int(priority * 4294967296), id)
  else
    enqueue(id, priority, kind == 'retry' and 'LPUSH' or 'RPUSH')
  end
  event('waiting', 'jobId', id, 'prev', 'active')
end

local function end_unfinished(i)
  local kind, id = ARGV[i], ARGV[i + 1]
  local job, _, _, _, delay, attempts = base .. id, numbers(i)
  local stored = redis.call('HMGET', job, 'atm', 'priority')
  local atm = (tonumber(stored[1]) or 0) + 1
  if kind == 'failed' then return finish_failed(i, job, atm, tonumber(attempts)) end
  if kind ~= 'snooze' and kind ~= 'release' then
    redis.call('HSET', job, 'failedReason', ARGV[i + 3], 'stacktrace', ARGV[i + 6], 'atm', int(atm))
  end
  wait_again(kind, id, job, tonumber(delay), tonumber(stored[2]) or 0)
end

local function close_unfinished(points)
  if #failed_rows > 0 then redis.call('ZADD', base .. 'failed', unpack(failed_rows)) end
  if some_put_off then mark_next() end
  if points > 0 and failed_count > 0 then count_metric('failed', failed_count, points) end
  return failed_count
end

local function fail_corrupt(id, fields, reason)
  local dedup_id, parent_key = field(fields, 'deid'), field(fields, 'parentKey')
  if dedup_id then dedup_finished(id, dedup_id) end
  if parent_key then child_failed(base .. id, parent_key, field(fields, 'parent'), reason) end
  redis.call('HSET', base .. id, 'failedReason', reason, 'finishedOn', now_text, 'ats', '0', 'atm', '0')
  redis.call('HDEL', base .. id, 'defa')
  redis.call('ZADD', base .. 'failed', now_text, id)
  event('failed', 'jobId', id, 'failedReason', reason, 'prev', 'waiting')
end
