-- parent.lua: what a child's end means for its parent, which may live in
-- another queue of the same slot. Every step first checks that it still
-- applies, so a second call finds nothing to do.
--
-- child_completed(key, parent_key, value)
-- child_failed(key, parent_key, parent, reason)  by the flags in parent, JSON
-- detach(key, parent_key)          the child disappears without an outcome
-- reattach(key, parent_key, from)  a finished child runs again
local function split_key(key)
  local queue, id = string.match(key, '^(.*:)([^:]*)$')
  return queue, id
end

local function mark_queue(queue)
  local meta = redis.call('HMGET', queue .. 'meta', 'paused', 'concurrency')
  if meta[1] then return end
  local limit = tonumber(meta[2])
  if limit and redis.call('LLEN', queue .. 'active') >= limit then return end
  redis.call('ZADD', queue .. 'marker', 0, '0')
end

local function parent_to_wait(queue, id)
  local fields = redis.call('HMGET', queue .. id, 'priority', 'delay')
  local priority, delay = tonumber(fields[1]) or 0, tonumber(fields[2]) or 0
  if delay > 0 then
    local due = now + math.floor(delay)
    redis.call('ZADD', queue .. 'delayed', int(due * 4096), id)
    redis.call('XADD', queue .. 'events', '*', 'event', 'delayed', 'jobId', id, 'delay', int(due))
    local head = redis.call('ZRANGE', queue .. 'delayed', 0, 0, 'WITHSCORES')
    redis.call('ZADD', queue .. 'marker', int(due_of(head[2])), '1')
    return
  end
  if priority > 0 then
    local count = next_count(queue .. 'pc') % 4294967296
    redis.call('ZADD', queue .. 'prioritized', int(priority * 4294967296 + count), id)
  else
    redis.call('RPUSH', queue .. 'wait', id)
  end
  mark_queue(queue)
  redis.call('XADD', queue .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'waiting-children')
end

local function release_if_waiting(parent_key)
  local queue, id = split_key(parent_key)
  if redis.call('EXISTS', parent_key) == 1 and redis.call('ZREM', queue .. 'waiting-children', id) == 1 then
    parent_to_wait(queue, id)
  end
end

local function release_if_done(parent_key)
  if redis.call('EXISTS', parent_key .. ':dependencies') == 0 then release_if_waiting(parent_key) end
end

local function child_completed(key, parent_key, value)
  if redis.call('SREM', parent_key .. ':dependencies', key) == 0 then return end
  redis.call('HSET', parent_key .. ':processed', key, value)
  release_if_done(parent_key)
end

local function fail_parent(key, parent_key)
  redis.call('ZADD', parent_key .. ':unsuccessful', int(now), key)
  if redis.call('EXISTS', parent_key) == 0 then return end
  local queue, id = split_key(parent_key)
  local reason = 'child ' .. key .. ' failed'
  if redis.call('ZREM', queue .. 'waiting-children', id) == 1 then
    redis.call('HSET', parent_key, 'defa', reason)
    parent_to_wait(queue, id)
  elseif redis.call('ZREM', queue .. 'delayed', id) == 1 then
    redis.call('HSET', parent_key, 'delay', '0', 'defa', reason)
    parent_to_wait(queue, id)
  elseif not redis.call('ZSCORE', queue .. 'failed', id) then
    redis.call('HSET', parent_key, 'defa', reason)
  end
end

local function child_failed(key, parent_key, parent, reason)
  local ok, flags = pcall(cjson.decode, parent or '')
  if not ok or type(flags) ~= 'table' then return end
  local fpof, cpof, idof, rdof = flags.fpof == true, flags.cpof == true, flags.idof == true, flags.rdof == true
  if not (fpof or cpof or idof or rdof) then return end
  if redis.call('SREM', parent_key .. ':dependencies', key) == 0 then return end
  if fpof then
    fail_parent(key, parent_key)
  elseif cpof then
    redis.call('HSET', parent_key .. ':failed', key, reason)
    release_if_waiting(parent_key)
  else
    release_if_done(parent_key)
    if idof then redis.call('HSET', parent_key .. ':failed', key, reason) end
  end
end

local function detach(key, parent_key)
  if redis.call('EXISTS', parent_key) == 0 then return end
  if redis.call('SREM', parent_key .. ':dependencies', key) == 0 then return end
  if redis.call('EXISTS', parent_key .. ':dependencies') == 1 then return end
  local queue, id = split_key(parent_key)
  if redis.call('ZREM', queue .. 'waiting-children', id) == 0 then return end
  redis.call('RPUSH', queue .. 'wait', id)
  mark_queue(queue)
  redis.call('XADD', queue .. 'events', '*', 'event', 'waiting', 'jobId', id, 'prev', 'waiting-children')
end

local function reattach(key, parent_key, from)
  if redis.call('EXISTS', parent_key) == 0 then return end
  local moved
  if from == 'failed' then
    moved = redis.call('ZREM', parent_key .. ':unsuccessful', key) == 1
      or redis.call('HDEL', parent_key .. ':failed', key) == 1
  else
    moved = redis.call('HDEL', parent_key .. ':processed', key) == 1
  end
  if moved then redis.call('SADD', parent_key .. ':dependencies', key) end
end
