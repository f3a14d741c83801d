-- pause.lua: let no further job start. Waiting jobs stay where they are, as in
-- BullMQ 6; the list named paused is BullMQ 5's and is never written.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
-- RETURNS 1 when the queue was running, 0 when it was paused already
--
-- include queue
-- include event
-- include ensure_meta
redis.call('DEL', marker)
if paused then return 0 end
redis.call('HSET', KEYS[1], 'paused', '1')
event('paused')
return 1
