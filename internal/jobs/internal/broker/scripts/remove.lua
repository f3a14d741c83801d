-- remove.lua: remove one job in any state, and on request the jobs below it in
-- a flow, 100 in a call: those below first, the job itself in the last.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     int    0, or more with each sending whose reply was lost
--         4 id         string
--         5 children   0|1    remove the children too
-- RETURNS 0, 1 when more are left, -1 no such job, -8 pending run of a scheduler, -100 the job or a
--         child is being worked on
-- ERRORS  the locks of the next 1,000 are looked at before the first write. Sent
--         again, a job that is not there is one that the first sending removed.
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
local root = ARGV[4]
if redis.call('EXISTS', base .. root) == 0 then return ARGV[3] ~= '0' and 0 or -1 end
if pending_run(root) then return -8 end

-- A job is removed when all below it are, or with them. Those that a parent waits
-- for come last, so that it is not without them, and begins, before it is removed.
local doomed, seen, visits, locked, left = {}, {}, 0, false, false
local function collect(key)
  if seen[key] or redis.call('EXISTS', key) == 0 then return end
  if visits == 1000 then
    left = true
    return
  end
  seen[key], visits = true, visits + 1
  if redis.call('EXISTS', key .. ':lock') == 1 then locked = true end
  if ARGV[5] == '1' then
    for _, child in ipairs(redis.call('HKEYS', key .. ':processed')) do collect(child) end
    for _, child in ipairs(redis.call('HKEYS', key .. ':failed')) do collect(child) end
    for _, child in ipairs(redis.call('ZRANGE', key .. ':unsuccessful', 0, -1)) do collect(child) end
    for _, child in ipairs(redis.call('SMEMBERS', key .. ':dependencies')) do collect(child) end
  end
  left = left or #doomed == 100
  if not left then doomed[#doomed + 1] = key end
end
collect(base .. root)
if locked then return -100 end

-- The helpers speak of one queue; a child may live in another.
local own = base
local function enter(queue)
  base, wait, active = queue, queue .. 'wait', queue .. 'active'
  delayed, prioritized, events = queue .. 'delayed', queue .. 'prioritized', queue .. 'events'
end

-- An id of this queue may hold colons; of another queue's only those of runs of
-- a scheduler can be told from its name.
local function home_of(key)
  if string.sub(key, 1, #own) == own then return own, string.sub(key, #own + 1) end
  local queue, id = string.match(key, '^(.*:)(repeat:[^:]*:%d+)$')
  if queue then return queue, id end
  return split_key(key)
end

for _, key in ipairs(doomed) do
  local queue, id = home_of(key)
  enter(queue)
  local parent_key = redis.pcall('HGET', key, 'parentKey')
  if type(parent_key) == 'string' then detach(key, parent_key) end
  local prev = take_out(id)
  if prev == 'active' then redis.call('SREM', base .. 'stalled', id) end
  if forget(id) > 0 then event('removed', 'jobId', id, 'prev', prev) end
end
enter(own)
mark_left()
return left and 1 or 0
