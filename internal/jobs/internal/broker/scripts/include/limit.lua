-- limit.lua: how many jobs may start in a span of time, over all workers.
--
-- allowance(limit, want)   how many may start now; limited_ms is set when none
-- count_start()            one has started
local function allowance(limit, want)
  local used = tonumber(redis.call('GET', base .. 'limiter')) or 0
  if used < limit then return math.min(want, limit - used) end
  local ttl = redis.call('PTTL', base .. 'limiter')
  if ttl > 0 then
    limited_ms = ttl
    return 0
  end
  redis.call('DEL', base .. 'limiter')
  return math.min(want, limit)
end

local function count_start()
  if next_count(base .. 'limiter') == 1 then
    local duration = tonumber(ARGV[9]) or tonumber(settings[5]) or 0
    redis.pcall('PEXPIRE', base .. 'limiter', int(math.abs(duration))) -- without an end it is no limit
  end
end
