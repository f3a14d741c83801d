-- finish.lua: end attempts. The caller passes what became of each; see
-- settle.lua for the fields. An outcome is checked in full before its first
-- write, and one that is refused does not touch the others.
local completed_rows, failed_rows, freed_locks, freed_ids = {}, {}, {}, {}
local ended, put_some_off = { completed = 0, failed = 0 }, false

local function push(list, a, b)
  list[#list + 1] = a
  list[#list + 1] = b
end

-- An outcome that arrives again, because the reply to it was lost, has left its
-- traces: the attempt is counted, or the job is no longer active, and nobody
-- has taken the job back from a dead worker since the attempt began.
local function recorded_before(o, fields)
  if not o.resent then return false end
  if not fields then return true end
  local made, stalled = string.match(o.seen, '^(%d+) (%d+)$')
  if (tonumber(fields[6]) or 0) ~= tonumber(stalled) then return false end
  if o.counts then return (tonumber(fields[1]) or 0) > tonumber(made) end
  return redis.call('GET', base .. o.id .. ':lock') or not redis.call('LPOS', active, o.id)
end

local function lock_code(lock)
  if lock then return -6 end
  return -2
end

local function children_code(job)
  if redis.call('EXISTS', job .. ':dependencies') == 1 then return -4 end
  if redis.call('EXISTS', job .. ':unsuccessful') == 1 then return -9 end
end

-- keep_policy reads 'count age limit': count -1 keeps all, 0 none; age in ms,
-- 0 is no limit.
local policies = {}
local function keep_policy(text)
  local policy = policies[text]
  if not policy then
    local count, age, limit = string.match(text, '^(%-?%d+) (%d+) (%d+)$')
    policy = { count = tonumber(count) or -1, age = tonumber(age) or 0, limit = tonumber(limit) or 200 }
    policies[text] = policy
  end
  return policy
end

local swept = {}
local function note_policy(set, text)
  local policy = keep_policy(text)
  if policy.count > 0 or policy.age > 0 then swept[set .. text] = { set = set, policy = policy } end
end

local function finish_completed(o, job, atm)
  if keep_policy(o.keep).count == 0 then
    delete_job(o.id)
  else
    redis.call('HSET', job, 'returnvalue', o.value, 'finishedOn', int(now), 'atm', int(atm))
    push(completed_rows, int(now), o.id)
    note_policy('completed', o.keep)
  end
  event('completed', 'jobId', o.id, 'returnvalue', o.value, 'prev', 'active')
  ended.completed = ended.completed + 1
end

local function finish_failed(o, job, atm, fields)
  if keep_policy(o.keep).count == 0 then
    if fields[3] then detach(job, fields[3]) end
    delete_job(o.id)
  else
    redis.call('HSET', job, 'failedReason', o.value, 'stacktrace', o.stack, 'finishedOn', int(now), 'atm', int(atm))
    if fields[5] then redis.call('HDEL', job, 'defa') end
    push(failed_rows, int(now), o.id)
    note_policy('failed', o.keep)
  end
  event('failed', 'jobId', o.id, 'failedReason', o.value, 'prev', 'active')
  ended.failed = ended.failed + 1
  if atm >= o.attempts then event('retries-exhausted', 'jobId', o.id, 'attemptsMade', int(atm)) end
end

local function store_failure(o, job, atm)
  redis.call('HSET', job, 'failedReason', o.value, 'stacktrace', o.stack, 'atm', int(atm))
end

local function back_in_line(id, priority, push_side)
  enqueue(id, priority, push_side)
  event('waiting', 'jobId', id, 'prev', 'active')
end

local function wait_for(o, job)
  redis.call('HSET', job, 'delay', int(o.delay))
  put_off(o.id, now + o.delay)
  put_some_off = true
end

local function retry(o, job, atm, fields, push_side)
  store_failure(o, job, atm)
  back_in_line(o.id, tonumber(fields[7]) or 0, push_side)
end

local outcomes = {
  completed = function(o, job, atm, fields)
    if fields[2] then dedup_finished(o.id, fields[2]) end
    if fields[3] then child_completed(job, fields[3], o.value) end
    finish_completed(o, job, atm)
  end,
  failed = function(o, job, atm, fields)
    if fields[2] then dedup_finished(o.id, fields[2]) end
    if fields[3] then child_failed(job, fields[3], fields[4], o.value) end
    finish_failed(o, job, atm, fields)
  end,
  retry = function(o, job, atm, fields) retry(o, job, atm, fields, 'LPUSH') end,
  retry_first = function(o, job, atm, fields) retry(o, job, atm, fields, 'RPUSH') end,
  backoff = function(o, job, atm)
    store_failure(o, job, atm)
    wait_for(o, job)
  end,
  snooze = function(o, job) wait_for(o, job) end,
  release = function(o, job, _, fields)
    local priority = tonumber(fields[7]) or 0
    if priority > 0 then
      redis.call('ZADD', prioritized, int(priority * 4294967296), o.id)
      event('waiting', 'jobId', o.id, 'prev', 'active')
    else
      back_in_line(o.id, 0, 'RPUSH')
    end
  end,
}

local counting = { completed = true, failed = true, retry = true, retry_first = true, backoff = true }

-- The active list as it will be: read once, written once, when several jobs
-- leave it together; otherwise LREM.
local active_ids, occurrences, active_changed
local function load_active(n)
  if n < 4 or redis.call('LLEN', active) > 1000 then return end
  active_ids, occurrences = redis.call('LRANGE', active, 0, -1), {}
  for _, id in ipairs(active_ids) do occurrences[id] = (occurrences[id] or 0) + 1 end
end

local function leave_active(id)
  if not active_ids then return redis.call('LREM', active, -1, id) == 1 end
  if (occurrences[id] or 0) == 0 then return false end
  occurrences[id] = occurrences[id] - 1
  active_changed = true
  return true
end

local function store_active()
  if not active_changed then return end
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

local function free(id)
  freed_locks[#freed_locks + 1] = base .. id .. ':lock'
  freed_ids[#freed_ids + 1] = id
end

-- An attempt whose job was removed, or replaced by something else, is over too:
-- its id leaves the active list, and nobody gets a job without content.
local function finish_one(o, lock, may_have_children)
  local job = base .. o.id
  local fields = redis.pcall('HMGET', job, 'atm', 'deid', 'parentKey', 'parent', 'defa', 'stc', 'priority', 'timestamp')
  local missing = fields.err or (not fields[8] and not fields[7] and redis.call('EXISTS', job) == 0)
  if lock ~= o.token then
    if recorded_before(o, not missing and fields) then return 0 end
    return missing and -1 or lock_code(lock)
  end
  if missing then
    free(o.id)
    leave_active(o.id)
    return -1
  end
  if may_have_children and o.kind == 'completed' then
    local code = children_code(job)
    if code then return code end
  end
  if not leave_active(o.id) then return -3 end
  free(o.id)
  outcomes[o.kind](o, job, (tonumber(fields[1]) or 0) + 1, fields)
  return 0
end

local function any_children(list)
  local keys = {}
  for _, o in ipairs(list) do
    if o.kind == 'completed' then
      push(keys, base .. o.id .. ':dependencies', base .. o.id .. ':unsuccessful')
    end
  end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0
end

local function finish_all(list)
  local codes, lock_keys = {}, {}
  for i, o in ipairs(list) do lock_keys[i] = base .. o.id .. ':lock' end
  local locks = redis.call('MGET', unpack(lock_keys))
  local may_have_children = any_children(list)
  load_active(#list)
  for i, o in ipairs(list) do codes[i] = finish_one(o, locks[i], may_have_children) end
  store_active()
  if #completed_rows > 0 then redis.call('ZADD', base .. 'completed', unpack(completed_rows)) end
  if #failed_rows > 0 then redis.call('ZADD', base .. 'failed', unpack(failed_rows)) end
  if #freed_locks > 0 then
    redis.call('DEL', unpack(freed_locks))
    redis.call('SREM', base .. 'stalled', unpack(freed_ids))
  end
  if put_some_off then mark_next() end
  next_due = head_of_delayed()
  for _, rule in pairs(swept) do
    if rule.policy.age > 0 then keep_younger(rule.set, rule.policy.age, rule.policy.limit) end
    if rule.policy.count > 0 then keep_newest(rule.set, rule.policy.count) end
  end
  return codes
end
