-- finish.lua: end attempts. The caller passes what became of each; see
-- settle.lua for the fields. An outcome is checked in full before its first
-- write, and one that is refused does not touch the others.
local completed_rows, failed_rows, freed_locks, freed_ids = {}, {}, {}, {}
local completed_count, failed_count, put_some_off = 0, 0, false

-- An outcome that arrives again, because the reply to it was lost, has left its
-- traces: the attempt is counted, or the job is no longer active, and nobody
-- has taken the job back from a dead worker since the attempt began.
local function recorded_before(o, fields)
  if not o.resent then return false end
  if not fields then return true end
  local made, stalled = string.match(o.seen, '^(%d+) (%d+)')
  if (tonumber(fields[6]) or 0) ~= tonumber(stalled) then return false end
  if o.kind ~= 'snooze' and o.kind ~= 'release' then return (tonumber(fields[1]) or 0) > tonumber(made) end
  return redis.call('GET', base .. o.id .. ':lock') or not redis.call('LPOS', active, o.id)
end

-- keep_policy reads 'count age limit': count -1 keeps all, 0 none; age in ms,
-- 0 is no limit. The rules of a call are enforced once, at its end.
local policies, rules = {}, {}
local function keep_policy(text, set)
  local policy = policies[set .. text]
  if not policy then
    local count, age, limit = string.match(text, '^(%-?%d+) (%d+) (%d+)$')
    policy = { set = set, count = tonumber(count) or -1, age = tonumber(age) or 0, limit = tonumber(limit) or 200 }
    policies[set .. text] = policy
    if policy.count > 0 or policy.count < 0 and policy.age > 0 then rules[#rules + 1] = policy end
  end
  return policy
end

local function finish_completed(o, job, atm)
  if keep_policy(o.keep, 'completed').count == 0 then
    seldom().delete_job(o.id)
  else
    redis.call('HSET', job, 'returnvalue', o.value, 'finishedOn', now_text, 'atm', int(atm))
    local n = #completed_rows
    completed_rows[n + 1], completed_rows[n + 2] = now_text, o.id
  end
  event('completed', 'jobId', o.id, 'returnvalue', o.value, 'prev', 'active')
  completed_count = completed_count + 1
end

local function finish_failed(o, job, atm, fields)
  if keep_policy(o.keep, 'failed').count == 0 then
    if fields[3] then seldom().detach(job, fields[3]) end
    seldom().delete_job(o.id)
  else
    redis.call('HSET', job, 'failedReason', o.value, 'stacktrace', o.stack, 'finishedOn', now_text, 'atm', int(atm))
    if fields[5] then redis.call('HDEL', job, 'defa') end
    local n = #failed_rows
    failed_rows[n + 1], failed_rows[n + 2] = now_text, o.id
  end
  event('failed', 'jobId', o.id, 'failedReason', o.value, 'prev', 'active')
  failed_count = failed_count + 1
  if atm >= o.attempts then event('retries-exhausted', 'jobId', o.id, 'attemptsMade', int(atm)) end
end

local function finish_for_good(o, job, atm, fields)
  if fields[2] then seldom().dedup_finished(o.id, fields[2]) end
  if o.kind == 'completed' then
    if fields[3] then seldom().child_completed(job, fields[3], o.value) end
    finish_completed(o, job, atm)
  else
    if fields[3] then seldom().child_failed(job, fields[3], fields[4], o.value) end
    finish_failed(o, job, atm, fields)
  end
end

local function wait_again(o, job, atm, fields)
  local priority = tonumber(fields[7]) or 0
  if o.kind == 'backoff' or o.kind == 'snooze' then
    redis.call('HSET', job, 'delay', int(o.delay))
    put_off(o.id, now + o.delay)
    put_some_off = true
    return
  end
  if o.kind == 'release' and priority > 0 then
    redis.call('ZADD', prioritized, int(priority * 4294967296), o.id)
  else
    enqueue(o.id, priority, o.kind == 'retry' and 'LPUSH' or 'RPUSH')
  end
  event('waiting', 'jobId', o.id, 'prev', 'active')
end

local function end_attempt(o, job, atm, fields)
  if o.kind == 'completed' or o.kind == 'failed' then
    finish_for_good(o, job, atm, fields)
    return
  end
  if o.kind ~= 'snooze' and o.kind ~= 'release' then
    redis.call('HSET', job, 'failedReason', o.value, 'stacktrace', o.stack, 'atm', int(atm))
  end
  wait_again(o, job, atm, fields)
end

-- The active list as it will be: read once, written once, when several jobs
-- leave it together; otherwise LREM.
local active_ids, occurrences, active_changed
local function leave_active(id)
  if not active_ids then return redis.call('LREM', active, -1, id) == 1 end
  if (occurrences[id] or 0) == 0 then return false end
  occurrences[id] = occurrences[id] - 1
  active_changed = true
  return true
end

local function store_active()
  local rest = {}
  for _, id in ipairs(active_ids) do
    if occurrences[id] > 0 then
      occurrences[id] = occurrences[id] - 1
      rest[#rest + 1] = id
    end
  end
  redis.call('DEL', active)
  if #rest > 0 then redis.call('RPUSH', active, unpack(rest)) end
end

-- An attempt whose job was removed, or replaced by something else, is over too:
-- its id leaves the active list, and nobody gets a job without content.
-- A lock that ran out while nobody else took the job is still good: the server
-- was away for longer than the lock held, and that is no reason to run the job
-- twice. renew.lua thinks so too.
local function finish_one(o, lock, may_have_children)
  local job = base .. o.id
  local fields = redis.pcall('HMGET', job, 'atm', 'deid', 'parentKey', 'parent', 'defa', 'stc', 'priority', 'timestamp', 'ats')
  local missing = fields.err or (not fields[8] and not fields[7] and redis.call('EXISTS', job) == 0)
  if lock ~= o.token then
    if recorded_before(o, not missing and fields) then return 0 end
    if missing then return -1 end
    if lock or fields[9] ~= string.match(o.seen, '(%d+)$') then return lock and -6 or -2 end
  end
  if may_have_children and not missing and o.kind == 'completed' then
    if redis.call('EXISTS', job .. ':dependencies') == 1 then return -4 end
    if redis.call('EXISTS', job .. ':unsuccessful') == 1 then return -9 end
  end
  if not leave_active(o.id) and not missing then return lock and -3 or -2 end
  freed_locks[#freed_locks + 1], freed_ids[#freed_ids + 1] = job .. ':lock', o.id
  if missing then return -1 end
  end_attempt(o, job, (tonumber(fields[1]) or 0) + 1, fields)
  return 0
end

-- enforce removes what a rule does not keep, the oldest first, at most 200 by
-- number and by age each, so that no call runs long however many there are.
local function enforce(rule)
  local set = base .. rule.set
  if rule.age > 0 then
    local old = redis.call('ZRANGEBYSCORE', set, '-inf', int(now - rule.age), 'LIMIT', 0, math.min(rule.limit, 200))
    if #old > 0 then seldom().evict(rule.set, old) end
  end
  if rule.count < 0 then return end
  local excess = redis.call('ZCARD', set) - rule.count
  if excess > 0 then seldom().evict(rule.set, redis.call('ZRANGE', set, 0, math.min(excess, 200) - 1)) end
end

local function finish_all(list, locks, may_have_children)
  local codes = {}
  if #list > 3 and redis.call('LLEN', active) <= 1000 then
    active_ids, occurrences = redis.call('LRANGE', active, 0, -1), {}
    for _, id in ipairs(active_ids) do occurrences[id] = (occurrences[id] or 0) + 1 end
  end
  for i, o in ipairs(list) do codes[i] = finish_one(o, locks[i], may_have_children) end
  if active_changed then store_active() end
  if #completed_rows > 0 then redis.call('ZADD', base .. 'completed', unpack(completed_rows)) end
  if #failed_rows > 0 then redis.call('ZADD', base .. 'failed', unpack(failed_rows)) end
  if #freed_locks > 0 then
    redis.call('DEL', unpack(freed_locks))
    redis.call('SREM', base .. 'stalled', unpack(freed_ids))
  end
  if put_some_off then mark_next() end
  for _, rule in ipairs(rules) do enforce(rule) end
  return codes
end
