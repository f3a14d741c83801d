-- take.lua: hand runnable jobs to a worker and lock them.
--
-- take(want) appends {id, fields} pairs to taken. It looks into the wait list
-- first, then among the prioritized. exhausted says that both are empty now;
-- limited_ms is set when a rate limit is in force. An id without a hash is
-- dropped; a hash whose counters are not numbers goes to failed with the
-- reason, so that it can never come round again, and whoever waits for it
-- learns of its end.
local function pop(want, none_in_line)
  local ids = not none_in_line and redis.call('RPOP', wait, want) or {}
  if #ids == want then return ids end
  local ranked = redis.call('ZPOPMIN', prioritized, want - #ids)
  for i = 1, #ranked, 2 do ids[#ids + 1] = ranked[i] end
  if #ranked == 0 then redis.call('DEL', base .. 'pc') end
  return ids
end

local function lock_and_start(id, fields, ats)
  local job, started = base .. id, int(ats + 1)
  redis.call('SET', job .. ':lock', ARGV[4], 'PX', ARGV[5])
  tell('active', 'jobId', id, 'prev', 'waiting')
  if ARGV[7] == '' then
    redis.call('HSET', job, 'processedOn', now_text, 'ats', started)
  else
    redis.call('HSET', job, 'processedOn', now_text, 'ats', started, 'pb', ARGV[7])
  end
  local n = #fields
  fields[n + 1], fields[n + 2], fields[n + 3], fields[n + 4] = 'processedOn', now_text, 'ats', started
  n = #taken
  taken[n + 1], taken[n + 2] = id, fields
end

-- start reports whether the job has begun.
local function start(id, counted)
  local fields = redis.pcall('HGETALL', base .. id)
  if fields.err or #fields == 0 then return false end
  local ats, atm = tonumber(field(fields, 'ats') or '0'), tonumber(field(fields, 'atm') or '0')
  if not ats or not atm then
    seldom().fail_corrupt(id, fields, 'stored job is corrupt: ats and atm must be numbers')
    return false
  end
  if counted and not field(fields, 'defa') then seldom().count_start() end
  lock_and_start(id, fields, ats)
  return true
end

-- take_one moves a job from list to list at once, which saves a command.
local function take_one(counted)
  local id = redis.call('LMOVE', wait, active, 'RIGHT', 'LEFT')
  if not id then return false end
  if not start(id, counted) then redis.call('LREM', active, 1, id) end
  return true
end

local function take_many(want, counted, none_in_line)
  local ids, started = pop(want, none_in_line), {}
  for _, id in ipairs(ids) do
    if start(id, counted) then started[#started + 1] = id end
  end
  exhausted = #ids < want and not freed
  if #started > 0 then redis.call('LPUSH', active, unpack(started)) end
end

local function take(want)
  if paused then return end
  if concurrency then want = math.min(want, concurrency - redis.call('LLEN', active)) end
  if want <= 0 then return end
  local limit = tonumber(settings[4]) or tonumber(ARGV[8])
  if limit then want = seldom().allowance(math.floor(limit), want) end
  if want <= 0 or want == 1 and take_one(limit) then return end
  take_many(want, limit, want == 1)
end
