-- clean.lua: remove jobs of one state that are older than a moment, the oldest
-- first, at most 100 in a call.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 state      wait, paused, active, delayed, prioritized, completed or failed
--         4 cutoff     ms     finished, else started, else added by then
--         5 limit      int    at most so many, 100 at most
--         6 offset     int    how many to pass over, from the oldest
-- RETURNS {{id, …}, passed}   what was removed, and how many of those looked at
--         stay (too young, locked, or the pending run of a scheduler): call
--         again with offset + passed until nothing is removed and none passed
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
local state, cutoff = ARGV[3], tonumber(ARGV[4])
local limit, offset = math.min(tonumber(ARGV[5]), 100), tonumber(ARGV[6])
local key = base .. state
local is_list = state == 'wait' or state == 'paused' or state == 'active'

local function candidates()
  if is_list then
    local ids = redis.call('LRANGE', key, -offset - limit, -offset - 1)
    local oldest_first = {}
    for i = #ids, 1, -1 do oldest_first[#oldest_first + 1] = ids[i] end
    return oldest_first
  end
  if state == 'completed' or state == 'failed' then
    return redis.call('ZRANGEBYSCORE', key, '-inf', int(cutoff), 'LIMIT', offset, limit)
  end
  return redis.call('ZRANGE', key, offset, offset + limit - 1)
end

local function age_stamp(job)
  local stamps = redis.pcall('HMGET', job, 'finishedOn', 'processedOn', 'timestamp')
  return tonumber(stamps[1] or stamps[2] or stamps[3] or 0) or 0
end

local function may_go(id)
  if pending_run(id) then return false end
  if state == 'active' and redis.call('EXISTS', base .. id .. ':lock') == 1 then return false end
  return age_stamp(base .. id) <= cutoff
end

local removed, passed = {}, 0
for _, id in ipairs(candidates()) do
  if may_go(id) then
    if is_list then redis.call('LREM', key, -1, id) else redis.call('ZREM', key, id) end
    if state == 'active' then redis.call('SREM', base .. 'stalled', id) end
    discard(id)
    removed[#removed + 1] = id
  else
    passed = passed + 1
  end
end
if state == 'active' then mark_left() end
return { removed, passed }
