-- update_data.lua: replace a job's payload.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 id         string
--         3 data       JSON
-- RETURNS 0, or -1 when there is no such job
local job = ARGV[1] .. ARGV[2]
if redis.call('EXISTS', job) == 0 then return -1 end
redis.call('HSET', job, 'data', ARGV[3])
return 0
