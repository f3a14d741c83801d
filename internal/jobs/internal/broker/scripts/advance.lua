-- advance.lua: create the next run of a job scheduler whose job was activated.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 scheduler  string id of the job scheduler
--         4 job        string id of the run that was activated
--         5 next       ms     the next run of a cron schedule, '' for an interval
--         6 every      ms     the interval in the job's options, '' for cron
--         7 offset     ms     the offset in the job's options
--         8 opts       JSON   options of the next run, an object that lacks its
--                             closing brace and the members added here: jobId,
--                             delay, timestamp and, for cron, prevMillis
--         9 priority   int
--         10 push      LPUSH or RPUSH
-- RETURNS the id of the next run, or '' when there is none to create: the
--         scheduler is gone, or this run was not the pending one (a retry)
-- ERRORS  none after the first write. Sent again, it finds the next run pending.
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
local scheduler, schedule = ARGV[3], base .. 'repeat'
local hash = schedule .. ':' .. ARGV[3]
local pending = redis.call('ZSCORE', schedule, scheduler)
if not pending then return '' end
if ARGV[4] ~= 'repeat:' .. scheduler .. ':' .. int(tonumber(pending)) then return '' end
local stored = redis.call('HMGET', hash, 'name', 'data', 'every', 'offset')

local function next_by_interval(every, offset)
  local next = tonumber(pending) + every
  if next >= now then return next end
  next = math.floor(now / every) * every + offset
  if next > now then return next end
  return next + every
end

local function next_run()
  if ARGV[5] ~= '' then return tonumber(ARGV[5]) end
  local every = tonumber(stored[3]) or tonumber(ARGV[6])
  if not every or every <= 0 then return nil end
  return next_by_interval(every, tonumber(stored[4]) or tonumber(ARGV[7]) or 0)
end

local next = next_run()
if not next then return '' end
local id = 'repeat:' .. scheduler .. ':' .. int(next)
if redis.call('EXISTS', base .. id) == 1 then
  event('duplicated', 'jobId', id)
  return id
end

local delay = math.max(0, next - now)
local comma = ARGV[8] == '{' and '' or ','
local opts = ARGV[8] .. comma .. '"jobId":' .. cjson.encode(id) .. ',"delay":' .. int(delay) .. ',"timestamp":' .. int(now)
if ARGV[5] ~= '' then opts = opts .. ',"prevMillis":' .. int(next) end
opts = opts .. '}'
local name = stored[1] or ''
redis.call('ZADD', schedule, int(next), scheduler)
redis.pcall('HINCRBY', hash, 'ic', 1) -- shown to people; a broken one must not end the schedule
redis.pcall('INCR', base .. 'id')
event('added', 'jobId', id, 'name', name)
redis.call('HSET', base .. id, 'name', name, 'data', stored[2] or '{}', 'opts', opts, 'timestamp', int(now),
  'delay', int(delay), 'priority', ARGV[9], 'rjk', scheduler)
if delay > 0 then
  put_off(id, now + delay)
  mark_next()
else
  enqueue(id, tonumber(ARGV[9]), ARGV[10])
  event('waiting', 'jobId', id)
  mark_now()
end
return id
