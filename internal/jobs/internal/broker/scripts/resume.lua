-- resume.lua: let jobs start again, and take back what BullMQ 5 put aside in
-- the list named paused: its jobs go to the head of the line in their order,
-- 1,000 in a call, and nothing is overwritten.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
-- RETURNS 1 while such jobs remain: call again; 0 when done
--
-- include queue
-- include event
-- include mark
if paused then
  redis.call('HDEL', KEYS[1], 'paused')
  paused = false
  event('resumed')
end
-- The list's right end runs first, and so it must arrive last.
local aside = redis.call('LRANGE', base .. 'paused', 0, 999)
if #aside > 0 then
  redis.call('LTRIM', base .. 'paused', 1000, -1)
  redis.call('RPUSH', wait, unpack(aside))
end
if redis.call('EXISTS', wait, prioritized) > 0 then
  redis.call('ZADD', marker, 0, '0')
else
  mark_next()
end
return redis.call('EXISTS', base .. 'paused')
