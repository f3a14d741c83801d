-- cleaned.lua: tell that a cleaning is over.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 count      int    how many jobs went
-- RETURNS 0
--
-- include queue
-- include event
event('cleaned', 'count', ARGV[2])
return 0
