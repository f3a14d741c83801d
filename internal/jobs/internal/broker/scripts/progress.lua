-- progress.lua: store how far a running job has come, and tell it.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 resent     int    0, or more with each sending whose reply was lost
--         3 id         string
--         4 value      JSON
-- RETURNS 0, or -1 when there is no such job. Sent again, it tells nothing new.
--
-- include queue
-- include event
local job = base .. ARGV[3]
if redis.call('EXISTS', job) == 0 then return -1 end
if ARGV[2] ~= '0' and redis.call('HGET', job, 'progress') == ARGV[4] then return 0 end
redis.call('HSET', job, 'progress', ARGV[4])
event('progress', 'jobId', ARGV[3], 'data', ARGV[4])
return 0
