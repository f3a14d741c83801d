-- take.lua: hand runnable jobs to a worker and lock them.
--
-- take(want) appends {id, fields} pairs to taken. It looks into the wait list
-- first, then among the prioritized. exhausted says that both are empty now;
-- limited_ms is set when a rate limit is in force. An id without a hash is
-- dropped; a hash whose counters are not numbers goes to failed with the
-- reason, so that it can never come round again, and whoever waits for it
-- learns of its end.
local taken, limited_ms, exhausted, freed = {}, 0, false, false

local function rate_limit(want)
  local limit = whole(settings[4]) or worker.limit_max
  if not limit then return want end
  local used = tonumber(redis.call('GET', base .. 'limiter')) or 0
  if used < limit then return math.min(want, limit - used), limit end
  local ttl = redis.call('PTTL', base .. 'limiter')
  if ttl > 0 then
    limited_ms = ttl
    return 0, limit
  end
  redis.call('DEL', base .. 'limiter')
  return math.min(want, limit), limit
end

local function count_start()
  if next_count(base .. 'limiter') == 1 then
    local duration = worker.limit_duration or tonumber(settings[5]) or 0
    redis.pcall('PEXPIRE', base .. 'limiter', int(math.abs(duration))) -- without an end it is no limit
  end
end

local function pop(want)
  local ids = redis.call('RPOP', wait, want) or {}
  if #ids == want then return ids end
  local ranked = redis.call('ZPOPMIN', prioritized, want - #ids)
  for i = 1, #ranked, 2 do ids[#ids + 1] = ranked[i] end
  if #ranked == 0 then redis.call('DEL', base .. 'pc') end
  return ids
end

local function field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function fail_corrupt(id, fields, reason)
  local dedup_id, parent_key = field(fields, 'deid'), field(fields, 'parentKey')
  if dedup_id then seldom().dedup_finished(id, dedup_id) end
  if parent_key then seldom().child_failed(base .. id, parent_key, field(fields, 'parent'), reason) end
  redis.call('HSET', base .. id, 'failedReason', reason, 'finishedOn', now_text, 'ats', '0', 'atm', '0')
  redis.call('HDEL', base .. id, 'defa')
  redis.call('ZADD', base .. 'failed', now_text, id)
  event('failed', 'jobId', id, 'failedReason', reason, 'prev', 'waiting')
  freed = true
end

local function lock_and_start(id, fields, ats)
  local job, started = base .. id, int(ats + 1)
  redis.call('SET', job .. ':lock', worker.token, 'PX', worker.lock_ms)
  event('active', 'jobId', id, 'prev', 'waiting')
  if worker.name == '' then
    redis.call('HSET', job, 'processedOn', now_text, 'ats', started)
  else
    redis.call('HSET', job, 'processedOn', now_text, 'ats', started, 'pb', worker.name)
  end
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = 'processedOn', now_text, 'ats', started
  n = #taken
  taken[n + 1], taken[n + 2] = id, fields
end

local function start(id, counted, started)
  local fields = redis.pcall('HGETALL', base .. id)
  if fields.err or #fields == 0 then return end
  local ats, atm = tonumber(field(fields, 'ats') or '0'), tonumber(field(fields, 'atm') or '0')
  if not ats or not atm then
    fail_corrupt(id, fields, 'stored job is corrupt: ats and atm must be numbers')
    return
  end
  if counted and not field(fields, 'defa') then count_start() end
  lock_and_start(id, fields, ats)
  started[#started + 1] = id
end

local function take(want)
  if paused then return end
  if concurrency then want = math.min(want, concurrency - redis.call('LLEN', active)) end
  if want <= 0 then return end
  local allowed, counted = rate_limit(want)
  if allowed <= 0 then return end
  local ids, started = pop(allowed), {}
  for i = 1, #ids do start(ids[i], counted, started) end
  exhausted = #ids < allowed and not freed
  if #started > 0 then redis.call('LPUSH', active, unpack(started)) end
end

-- retake finds what an earlier sending of this call took: jobs locked with the
-- token that names the call, in the order in which it took them. The newest are
-- at the head of the list.
local function retake()
  local ids = redis.call('LRANGE', active, 0, 999)
  if #ids == 0 then return end
  local locks = {}
  for i, id in ipairs(ids) do locks[i] = base .. id .. ':lock' end
  locks = redis.call('MGET', unpack(locks))
  for i = #ids, 1, -1 do
    if locks[i] == worker.token then
      taken[#taken + 1] = ids[i]
      taken[#taken + 1] = redis.call('HGETALL', base .. ids[i])
    end
  end
end
