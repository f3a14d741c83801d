-- time.lua: the server's clock, by which jobs are stamped.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot, and so the server
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
-- RETURNS the moment in ms
--
-- include now
return now
