-- limit.lua: how many jobs may start in a span of time, over all workers.
--
-- allowance(limit, want)   how many may start now, and for how many ms none may; a
--                          limit below one is one, as it comes to in BullMQ
-- count_start(duration)    one has started, of those that may in duration ms
local function allowance(limit, want)
  limit = math.max(1, limit)
  local used = tonumber(redis.call('GET', base .. 'limiter')) or 0
  if used < limit then return math.min(want, limit - used), 0 end
  local ttl = redis.call('PTTL', base .. 'limiter')
  if ttl > 0 then return 0, ttl end
  redis.call('DEL', base .. 'limiter')
  return math.min(want, limit), 0
end

local function count_start(duration)
  if next_count(base .. 'limiter') == 1 then
    redis.pcall('PEXPIRE', base .. 'limiter', int(math.abs(duration))) -- without an end it is no limit
  end
end
