-- get.lua: a job and its state, as they were at one moment.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 id         string
-- RETURNS {state, {field, value, …}}, or {} when there is no such job
--
-- include queue
-- include find
local fields = redis.pcall('HGETALL', base .. ARGV[2])
if fields.err or #fields == 0 then return {} end
return { state_of(ARGV[2]), fields }
