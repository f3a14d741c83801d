-- sweep.lua: give back the jobs of workers that died.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
--         2 sweep      hash   ours: at (ms of the latest sweep), from (where in
--                             the active list the next one looks)
--         3 deaths     string ours: how many workers died lately while they ran
--                             other jobs than suspects
--         4 alone      string what the keys of lone starts begin with
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 gap        ms     the least time between two sweeps of the queue
--         4 interval   ms     the most that a sweep may come late
--         5 limit      int    how often a job may stall, as in BullMQ; -1 leaves
--                             it to the workers, which then isolate suspects
--         6 due        ms     when the caller was told to come; 0 if it was not
-- RETURNS {next_ms, {id, …}, due}  in how long to sweep next, the jobs given
--                             back, and when that is; 0 while nothing is active
--
-- As in BullMQ a job is given back when it was active at two sweeps, nobody
-- renewed its lock in between, and the lock is gone. Our rhythm is our own: the
-- next sweep comes when the first lock would run out. A sweep that comes later
-- than its caller was told, or is the first after a long time, marks only: the
-- server was away or stood still, or all of us did, and locks ran out with nobody
-- at fault. Their owners then have the gap to renew them or to hand in outcomes.
-- Node's workers see stalled-check and leave it to us. At most 500 active jobs
-- are looked at in a call, the oldest first.
--
local gap, interval, limit, due = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('EXISTS', ARGV[1] .. 'active', ARGV[1] .. 'stalled') == 0 then return { interval, {}, 0 } end
-- include queue
-- include now
-- include event
-- include mark
-- include is_job
local stalled = base .. 'stalled'
local last = redis.call('HMGET', KEYS[2], 'at', 'from')
local at, from = tonumber(last[1]), tonumber(last[2]) or 0
local function answer(wait, recovered) return { wait, recovered, now + wait } end
if at and now - at >= 0 and now - at < gap then return answer(gap - (now - at), {}) end
local late = not at or now - at > 2 * interval or due > 0 and now - due > gap

-- window is the part of the active list that this sweep looks at. whole says
-- that it is all of it, so that no mark of an earlier sweep counts any more.
local whole
local function window()
  local ids = redis.call('LRANGE', active, -from - 500, -from - 1)
  if #ids == 0 and from > 0 then
    from = 0
    ids = redis.call('LRANGE', active, -500, -1)
  end
  whole = from == 0 and #ids < 500
  from = #ids == 500 and from + 500 or 0
  return ids
end

-- A job of a scheduler that still exists never fails by stalling: the schedule
-- would end with it.
local function may_fail(job)
  local scheduler = redis.pcall('HGET', job, 'rjk')
  return type(scheduler) ~= 'string'
    or (redis.call('EXISTS', base .. 'repeat:' .. scheduler) == 0
      and not redis.call('ZSCORE', base .. 'repeat', scheduler))
end

local function count_stall(job)
  local count = redis.pcall('HINCRBY', job, 'stc', 1)
  if type(count) == 'number' then return count end
  redis.call('HSET', job, 'stc', '1')
  return 1
end

local function give_back(id)
  local job = base .. id
  if redis.call('LREM', active, -1, id) == 0 then return false end -- the oldest are on the right
  if not is_job(job) then return false end
  if limit >= 0 and count_stall(job) > limit and may_fail(job) then
    redis.call('HSET', job, 'defa', 'job stalled more than allowable limit')
  elseif limit < 0 then
    count_stall(job)
  end
  redis.call('RPUSH', wait, id)
  event('waiting', 'jobId', id, 'prev', 'active')
  event('stalled', 'jobId', id)
  return true
end

-- A death is counted by the name of the worker, when none of its jobs ran alone.
local lost_by = {}
local function note_death(id)
  local worker = redis.pcall('HGET', base .. id, 'pb')
  worker = type(worker) == 'string' and worker or ''
  local alone = redis.call('EXISTS', KEYS[4] .. id) == 1
  lost_by[worker] = lost_by[worker] == 'alone' and 'alone' or alone and 'alone' or 'others'
end

local function count_deaths()
  local deaths = 0
  for _, ran in pairs(lost_by) do
    if ran == 'others' then deaths = deaths + 1 end
  end
  if deaths == 0 then return end
  redis.call('INCRBY', KEYS[3], int(deaths))
  redis.call('PEXPIRE', KEYS[3], '600000') -- ten quiet minutes
end

local ids = window()
redis.call('HSET', KEYS[2], 'at', int(now), 'from', int(from))
redis.call('PEXPIRE', KEYS[2], int(20 * interval))
redis.call('SET', base .. 'stalled-check', int(now), 'PX', int(2 * interval))

local recovered, gone, running, wake_in = {}, {}, {}, interval
local function look_at(id, lock, suspect)
  if lock then
    running[#running + 1] = id
    if #running <= 100 then
      local ttl = redis.call('PTTL', base .. id .. ':lock')
      if ttl > 0 then wake_in = math.min(wake_in, ttl + 1) end
    end
  elseif suspect == 0 or late then
    running[#running + 1] = id
    wake_in = math.min(wake_in, gap)
  else
    gone[#gone + 1] = id
    if give_back(id) then
      recovered[#recovered + 1] = id
      if #recovered <= 100 then note_death(id) end
    end
  end
end

if #ids > 0 then
  local lock_keys = {}
  for i, id in ipairs(ids) do lock_keys[i] = base .. id .. ':lock' end
  local locks = redis.call('MGET', unpack(lock_keys))
  local suspects = redis.call('SMISMEMBER', stalled, unpack(ids))
  for i = #ids, 1, -1 do look_at(ids[i], locks[i], suspects[i]) end
end
if whole then
  redis.call('DEL', stalled)
elseif #gone > 0 then
  redis.call('SREM', stalled, unpack(gone))
end
if #running > 0 then redis.call('SADD', stalled, unpack(running)) end
count_deaths()
if #recovered > 0 then mark_left() end
return answer(math.max(gap, wake_in), recovered)
