-- keep.lua: remove finished jobs that nobody wants to keep. No events, as in
-- BullMQ. Needs now, delete, parent.
--
-- evict(set, ids)           at most 200 ids, which stand in completed or failed
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

-- enforce removes what a rule does not keep, the oldest first, at most 200 by
-- number and by age each, so that no call runs long however many there are.
local function enforce(rule)
  local set = base .. rule.set
  if rule.age > 0 then
    local old = redis.call('ZRANGEBYSCORE', set, '-inf', int(now - rule.age), 'LIMIT', 0, math.min(rule.limit, 200))
    if #old > 0 then evict(rule.set, old) end
  end
  if rule.count < 0 then return end
  local excess = redis.call('ZCARD', set) - rule.count
  if excess > 0 then evict(rule.set, redis.call('ZRANGE', set, 0, math.min(excess, 200) - 1)) end
end

local function enforce_rules()
  for _, rule in ipairs(rules) do enforce(rule) end
end
