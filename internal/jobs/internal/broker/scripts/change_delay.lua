-- change_delay.lua: put a delayed job off until another moment, from now.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 id         string
--         4 delay      ms
-- RETURNS 0, -1 no such job, -3 the job is not delayed
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include is_job
local id, delay = ARGV[3], tonumber(ARGV[4])
if not is_job(base .. id) then return -1 end
if redis.call('ZREM', delayed, id) == 0 then return -3 end
redis.call('HSET', base .. id, 'delay', int(delay))
put_off(id, now + delay)
mark_next()
return 0
