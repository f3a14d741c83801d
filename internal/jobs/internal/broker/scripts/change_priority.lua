-- change_priority.lua: move a waiting job to another priority. A job that is not
-- waiting takes it along for the next time that it is.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 id         string
--         3 priority   int    0 for the wait list
--         4 push       LPUSH, or RPUSH for the head of the line
-- RETURNS 0, or -1 when there is no such job
--
-- include queue
-- include event
-- include mark
-- include enqueue
-- include is_job
local id, priority = ARGV[2], tonumber(ARGV[3])
if not is_job(base .. id) then return -1 end
local waits = redis.call('ZREM', prioritized, id) == 1 or redis.call('LREM', wait, -1, id) == 1
redis.call('HSET', base .. id, 'priority', int(priority))
if not waits then return 0 end
if priority > 0 and ARGV[4] == 'RPUSH' then
  redis.call('ZADD', prioritized, int(priority * 4294967296), id)
else
  enqueue(id, priority, ARGV[4])
end
mark_now()
return 0
