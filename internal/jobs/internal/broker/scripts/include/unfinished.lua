-- unfinished.lua: attempts that end in another way than with a result, and jobs
-- that cannot begin. Needs enqueue, parent, delete, dedup, keep. i is the place
-- of an outcome in ARGV.
--
-- refusal(i, lock, fields)      the code of an outcome whose attempt no longer
--                               holds its lock, or whose job is missing (fields
--                               false); nil when it counts all the same
-- children_left(job)            the code that refuses a result, or nil
-- end_unfinished(i, atm, fields)
-- fail_corrupt(id, fields, reason)

-- An outcome that arrives again, because the reply to it was lost, has left its
-- traces: the attempt is counted, or the job is no longer active, and nobody
-- has taken the job back from a dead worker since the attempt began.
local function recorded_before(i, fields)
  if not resent then return false end
  if not fields then return true end
  local kind, made, stalled = ARGV[i], string.match(ARGV[i + 8], '^(%d+) (%d+)')
  if (tonumber(fields[6]) or 0) ~= tonumber(stalled) then return false end
  if kind ~= 'snooze' and kind ~= 'release' then return (tonumber(fields[1]) or 0) > tonumber(made) end
  return redis.call('GET', base .. ARGV[i + 1] .. ':lock') or not redis.call('LPOS', active, ARGV[i + 1])
end

-- A lock that ran out while nobody else took the job is still good: the server
-- was away for longer than the lock held, and that is no reason to run the job
-- twice. renew.lua thinks so too.
local function refusal(i, lock, fields)
  if lock == ARGV[i + 2] then return nil end
  if recorded_before(i, fields) then return 0 end
  if not fields then return -1 end
  if lock then return -6 end
  if fields[9] ~= string.match(ARGV[i + 8], '(%d+)$') then return -2 end
end

local function children_left(job)
  if redis.call('EXISTS', job .. ':dependencies') == 1 then return -4 end
  if redis.call('EXISTS', job .. ':unsuccessful') == 1 then return -9 end
end

local function finish_failed(i, job, atm, fields)
  local id, reason = ARGV[i + 1], ARGV[i + 3]
  if fields[2] then dedup_finished(id, fields[2]) end
  if fields[3] then child_failed(job, fields[3], fields[4], reason) end
  if keep_policy(ARGV[i + 6], 'failed').count == 0 then
    if fields[3] then detach(job, fields[3]) end
    delete_job(id)
  else
    redis.call('HSET', job, 'failedReason', reason, 'stacktrace', ARGV[i + 4], 'finishedOn', now_text, 'atm', int(atm))
    if fields[5] then redis.call('HDEL', job, 'defa') end
    local n = #failed_rows
    failed_rows[n + 1], failed_rows[n + 2] = now_text, id
  end
  event('failed', 'jobId', id, 'failedReason', reason, 'prev', 'active')
  failed_count = failed_count + 1
  if atm >= tonumber(ARGV[i + 7]) then event('retries-exhausted', 'jobId', id, 'attemptsMade', int(atm)) end
end

local function wait_again(kind, id, job, delay, priority)
  if kind == 'backoff' or kind == 'snooze' then
    redis.call('HSET', job, 'delay', int(delay))
    put_off(id, now + delay)
    put_some_off = true
    return
  end
  if kind == 'release' and priority > 0 then
    redis.call('ZADD', prioritized, int(priority * 4294967296), id)
  else
    enqueue(id, priority, kind == 'retry' and 'LPUSH' or 'RPUSH')
  end
  event('waiting', 'jobId', id, 'prev', 'active')
end

local function end_unfinished(i, atm, fields)
  local kind, id = ARGV[i], ARGV[i + 1]
  local job = base .. id
  if kind == 'failed' then return finish_failed(i, job, atm, fields) end
  if kind ~= 'snooze' and kind ~= 'release' then
    redis.call('HSET', job, 'failedReason', ARGV[i + 3], 'stacktrace', ARGV[i + 4], 'atm', int(atm))
  end
  wait_again(kind, id, job, tonumber(ARGV[i + 5]), tonumber(fields[7]) or 0)
end

local function fail_corrupt(id, fields, reason)
  local dedup_id, parent_key = field(fields, 'deid'), field(fields, 'parentKey')
  if dedup_id then dedup_finished(id, dedup_id) end
  if parent_key then child_failed(base .. id, parent_key, field(fields, 'parent'), reason) end
  redis.call('HSET', base .. id, 'failedReason', reason, 'finishedOn', now_text, 'ats', '0', 'atm', '0')
  redis.call('HDEL', base .. id, 'defa')
  redis.call('ZADD', base .. 'failed', now_text, id)
  event('failed', 'jobId', id, 'failedReason', reason, 'prev', 'waiting')
  freed = true
end
