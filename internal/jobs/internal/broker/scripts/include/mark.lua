-- mark.lua: the marker that wakes blocked workers.
--
-- mark_now   work has just become available
-- mark_next  the earliest delayed job has changed
-- mark_left  call it last: whatever the call did, work that a worker may take
--            now leaves the marker set
local function maxed()
  return concurrency and redis.call('LLEN', active) >= concurrency
end

local function mark_now()
  if not paused and not maxed() then redis.call('ZADD', marker, 0, '0') end
end

-- include due
local function mark_next()
  local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if head[2] then
    redis.call('ZADD', marker, int(due_of(head[2])), '1')
  end
end

local function mark_left()
  if paused then return end
  if redis.call('EXISTS', wait, prioritized) > 0 then mark_now() end
end
