-- promote.lua: move delayed jobs that are due to where they wait, the earliest
-- first, at most 100 in a call. next_due is then the ms at which the next
-- delayed job is due (in the past when more are due), or nil without any.
--
-- An id without a hash is dropped, not given an empty one.
local next_due

local function head_of_delayed()
  local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  return head[2] and due_of(head[2])
end

local function promote_one(id, plain, ranked)
  local job = base .. id
  local priority = redis.pcall('HGET', job, 'priority')
  if not priority and redis.call('EXISTS', job) == 0 then return end
  priority = tonumber(priority) or 0
  if priority > 0 then
    ranked[#ranked + 1] = priority_score(priority)
    ranked[#ranked + 1] = id
  else
    plain[#plain + 1] = id
  end
  event('waiting', 'jobId', id, 'prev', 'delayed')
  redis.pcall('HSET', job, 'delay', '0')
end

local function promote_due()
  next_due = head_of_delayed()
  if not next_due or next_due > now then return end
  local ids = redis.call('ZRANGEBYSCORE', delayed, '-inf', int((now + 1) * 4096 - 1), 'LIMIT', 0, 100)
  redis.call('ZREM', delayed, unpack(ids))
  local plain, ranked = {}, {}
  for i = 1, #ids do promote_one(ids[i], plain, ranked) end
  if #plain > 0 then redis.call('LPUSH', wait, unpack(plain)) end
  if #ranked > 0 then redis.call('ZADD', prioritized, unpack(ranked)) end
  next_due = head_of_delayed()
end
