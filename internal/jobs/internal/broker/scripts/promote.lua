-- promote.lua: let a delayed job run now.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 resent     int    0, or more with each sending whose reply was lost
--         3 elapsed    ms     since the first sending left, 0 unless resent
--         4 id         string
-- RETURNS 0, -1 no such job, -3 the job is not delayed. Sent again it is 0 when
--         the stream tells that the job was promoted since: a delay that it has
--         now is another.
--
-- include queue
-- include event
-- include mark
-- include enqueue
-- include is_job
-- include told
-- include done
local id = ARGV[4]
local job = base .. id
if ARGV[2] ~= '0' and done_since(tonumber(ARGV[3]), id, 'delayed') then return 0 end
if not is_job(job) then return -1 end
if redis.call('ZREM', delayed, id) == 0 then return -3 end
enqueue(id, tonumber(redis.call('HGET', job, 'priority')) or 0, 'LPUSH')
redis.call('HSET', job, 'delay', '0')
event('waiting', 'jobId', id, 'prev', 'delayed')
mark_now()
return 0
