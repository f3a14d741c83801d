-- promote.lua: let a delayed job run now.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 resent     0|1
--         3 id         string
-- RETURNS 0, -1 no such job, -3 the job is not delayed
--
-- include queue
-- include event
-- include mark
-- include enqueue
-- include is_job
local id = ARGV[3]
local job = base .. id
if not is_job(job) then return -1 end
if redis.call('ZREM', delayed, id) == 0 then
  if ARGV[2] == '1' and redis.call('HGET', job, 'delay') == '0' then return 0 end
  return -3
end
enqueue(id, tonumber(redis.call('HGET', job, 'priority')) or 0, 'LPUSH')
redis.call('HSET', job, 'delay', '0')
event('waiting', 'jobId', id, 'prev', 'delayed')
mark_now()
return 0
