-- drain.lua: remove the jobs that wait, and on request those that are delayed,
-- 500 in a call. The pending run of a job scheduler stays.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 delayed    0|1    drain delayed jobs too
--         4 offset     int    where to look: what earlier calls passed over
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
local offset, removed, passed = tonumber(ARGV[4]), 0, 0

local function remove_from(key, ids, command)
  for _, id in ipairs(ids) do
    if pending_run(id) then
      passed = passed + 1
    else
      if command == 'ZREM' then redis.call('ZREM', key, id) else redis.call('LREM', key, 1, id) end
      discard(id)
      removed = removed + 1
    end
  end
end

local function drain_list(key) remove_from(key, redis.call('LRANGE', key, offset, offset + 499), 'LREM') end
local function drain_set(key) remove_from(key, redis.call('ZRANGE', key, offset, offset + 499), 'ZREM') end

local places = { { wait, drain_list }, { base .. 'paused', drain_list }, { prioritized, drain_set } }
if ARGV[3] == '1' then places[4] = { delayed, drain_set } end
for _, place in ipairs(places) do
  if removed + passed == 0 then place[2](place[1]) end
end
return { removed, passed }
