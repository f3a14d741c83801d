-- cleaned.lua: tell that a cleaning is over. A queue that does not exist is not
-- told of.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 count      int    how many jobs went
-- RETURNS 0
--
-- include queue
-- include event
if settings[3] then event('cleaned', 'count', ARGV[2]) end
return 0
