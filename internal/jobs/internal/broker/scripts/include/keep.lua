-- keep.lua: remove finished jobs that nobody wants to keep, the oldest first,
-- at most 200 for each rule in a call, so that no call runs long however many
-- there are. No events, as in BullMQ. Needs now, delete, parent.
--
-- keep_newest(set, count)     by number
-- keep_younger(set, ms, n)    by age; n bounds it further. Returns how many went
local function evict(set, ids)
  if #ids == 0 then return end
  local doomed = {}
  for i = 1, #ids do
    local job = base .. ids[i]
    if set == 'failed' then
      local parent_key = redis.pcall('HGET', job, 'parentKey')
      if type(parent_key) == 'string' then detach(job, parent_key) end
    end
    keys_of(job, doomed)
  end
  redis.call('DEL', unpack(doomed))
  redis.call('ZREM', base .. set, unpack(ids))
end

local function keep_newest(set, count)
  local excess = redis.call('ZCARD', base .. set) - count
  if excess <= 0 then return end
  evict(set, redis.call('ZRANGE', base .. set, 0, math.min(excess, 200) - 1))
end

local function keep_younger(set, ms, n)
  local ids = redis.call('ZRANGEBYSCORE', base .. set, '-inf', int(now - ms), 'LIMIT', 0, math.min(n, 200))
  evict(set, ids)
  return #ids
end
