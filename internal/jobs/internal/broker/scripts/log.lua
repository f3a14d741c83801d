-- log.lua: append a line to a job's log.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 resent     int    0, or more with each sending whose reply was lost
--         3 id         string
--         4 line       string
--         5 keep       int    how many lines to keep, 0 for all
-- RETURNS how many lines there are, or -1 when there is no such job. Sent again,
--         it finds its line at the end and adds none.
local logs = ARGV[1] .. ARGV[3] .. ':logs'
if redis.call('EXISTS', ARGV[1] .. ARGV[3]) == 0 then return -1 end
if ARGV[2] ~= '0' and redis.call('LRANGE', logs, -1, -1)[1] == ARGV[4] then return redis.call('LLEN', logs) end
local length, keep = redis.call('RPUSH', logs, ARGV[4]), tonumber(ARGV[5])
if keep > 0 and length > keep then
  redis.call('LTRIM', logs, -keep, -1)
  return keep
end
return length
