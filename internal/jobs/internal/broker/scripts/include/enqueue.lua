-- enqueue.lua: where a job waits.
--
-- enqueue(id, priority, push)  among the prioritized, or at one end of the wait
--                              list: 'LPUSH' behind all, 'RPUSH' before all
-- due_score(due)               the score of a job due at that ms: 4096 slots
--                              keep the order within a millisecond
-- next_count moves a counter on by one, or by more, and returns where it is; one
-- that somebody broke starts again.
local function next_count(key, by)
  local n = redis.pcall('INCRBY', key, int(by or 1))
  if type(n) == 'number' then return n end
  redis.call('SET', key, int(by or 1))
  return by or 1
end

local function priority_score(priority)
  return int(priority * 4294967296 + next_count(base .. 'pc') % 4294967296)
end

local function enqueue(id, priority, push)
  if priority > 0 then
    redis.call('ZADD', prioritized, priority_score(priority), id)
  else
    redis.call(push, wait, id)
  end
end

local function due_score(due)
  local low, high = due * 4096, due * 4096 + 4095
  local last = redis.call('ZREVRANGEBYSCORE', delayed, int(high), int(low), 'WITHSCORES', 'LIMIT', 0, 1)
  if not last[2] then return int(low) end
  return int(math.min(tonumber(last[2]) + 1, high))
end

local function put_off(id, due)
  redis.call('ZADD', delayed, due_score(due), id)
  event('delayed', 'jobId', id, 'delay', int(due))
end
