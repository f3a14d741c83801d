-- keep.lua: remove finished jobs that nobody wants to keep. No events, as in
-- BullMQ. Needs now, delete, parent.
--
-- evict(set, ids)           at most 100 ids, which stand in completed or failed
-- keep_policy(text, set)    reads 'count age limit': count -1 keeps all, 0 none;
--                           age in ms, 0 is no limit
-- enforce_rules()           enforces what was read, once for the call
local function evict(set, ids)
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

local policies, rules = {}, {}
local function keep_policy(text, set)
  local policy = policies[set .. text]
  if not policy then
    local count, age, limit = string.match(text, '^(%-?%d+) (%d+) (%d+)$')
    policy = { set = set, count = tonumber(count) or -1, age = tonumber(age) or 0, limit = tonumber(limit) or 200 }
    policies[set .. text] = policy
    if policy.count > 0 or policy.count < 0 and policy.age > 0 then rules[#rules + 1] = policy end
  end
  return policy
end

-- enforce removes what a rule does not keep, the oldest first. All rules of a
-- call share what it may remove, so that no call runs long however many there
-- are: twice as many as it ends.
local removable = 100
local function evict_some(set, ids)
  if #ids == 0 then return end
  removable = removable - #ids
  evict(set, ids)
end

local function enforce(rule)
  local set = base .. rule.set
  if rule.age > 0 and removable > 0 then
    local most = math.min(rule.limit, removable)
    evict_some(rule.set, redis.call('ZRANGEBYSCORE', set, '-inf', int(now - rule.age), 'LIMIT', 0, most))
  end
  if rule.count < 0 or removable == 0 then return end
  local excess = math.min(redis.call('ZCARD', set) - rule.count, removable)
  if excess > 0 then evict_some(rule.set, redis.call('ZRANGE', set, 0, excess - 1)) end
end

local function enforce_rules()
  for _, rule in ipairs(rules) do enforce(rule) end
end
