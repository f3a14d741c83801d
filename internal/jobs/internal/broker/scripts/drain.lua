-- drain.lua: remove the jobs of one place where jobs wait, 100 in a call. The
-- pending run of a job scheduler stays.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 place      wait, paused, prioritized or delayed
--         4 offset     int    where to look: what earlier calls passed over there
-- RETURNS {removed, passed}   passed over were pending runs; call again, with
--         offset + passed, until both are 0
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include parent
-- include delete
-- include dedup
-- include find
-- include remove
local place, offset = ARGV[3], tonumber(ARGV[4])
local key, is_list = base .. place, place == 'wait' or place == 'paused'
local removed, passed = 0, 0

for _, id in ipairs(redis.call(is_list and 'LRANGE' or 'ZRANGE', key, offset, offset + 99)) do
  if pending_run(id) then
    passed = passed + 1
  else
    if is_list then redis.call('LREM', key, 1, id) else redis.call('ZREM', key, id) end
    discard(id)
    removed = removed + 1
  end
end
return { removed, passed }
