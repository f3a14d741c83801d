-- obliterate.lua: remove a paused queue with all its jobs, 50 in a call.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 force      0|1    also when jobs are active
-- RETURNS 1 while work remains: call again; 0 done; -101 not paused, -102 jobs
--         are active
--
-- A parent in another queue no longer waits for children that lived here.
--
-- include queue
-- include now
-- include event
-- include mark
-- include parent
-- include delete
if not paused then return redis.call('EXISTS', KEYS[1]) == 0 and 0 or -101 end
if ARGV[3] == '0' and redis.call('EXISTS', active) == 1 then return -102 end
local left = 50

local function drop(ids)
  for _, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', base .. id, 'deid', 'parentKey')
    if fields[1] then redis.call('DEL', base .. 'de:' .. fields[1], base .. 'dn:' .. fields[1]) end
    if fields[2] and split_key(fields[2]) ~= base then detach(base .. id, fields[2]) end
    delete_job(id)
    redis.call('DEL', base .. id .. ':lock')
  end
  left = left - #ids
end

local function drop_list(name)
  if left <= 0 then return end
  local ids = redis.call('LRANGE', base .. name, 0, left - 1)
  if #ids == 0 then return end
  redis.call('LTRIM', base .. name, #ids, -1)
  drop(ids)
end

local function drop_set(name)
  if left <= 0 then return end
  local ids = redis.call('ZRANGE', base .. name, 0, left - 1)
  if #ids == 0 then return end
  redis.call('ZREM', base .. name, unpack(ids))
  drop(ids)
end

local function drop_schedulers()
  if left <= 0 then return end
  local ids = redis.call('ZRANGE', base .. 'repeat', 0, left - 1)
  if #ids == 0 then return end
  for _, id in ipairs(ids) do redis.call('DEL', base .. 'repeat:' .. id) end
  redis.call('ZREM', base .. 'repeat', unpack(ids))
  left = left - #ids
end

drop_list('active')
drop_set('delayed')
drop_schedulers()
drop_set('completed')
drop_list('wait')
drop_list('paused')
drop_set('prioritized')
drop_set('failed')
drop_set('waiting-children')
if left <= 0 then return 1 end
for _, name in ipairs({ 'events', 'delay', 'stalled-check', 'stalled', 'id', 'pc', 'marker', 'limiter', 'meta',
  'metrics:completed', 'metrics:completed:data', 'metrics:failed', 'metrics:failed:data' }) do
  redis.call('DEL', base .. name)
end
return 0
