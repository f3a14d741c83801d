-- metrics.lua: BullMQ's per-minute points. Of n jobs that finish in the same
-- moment only the first can close a minute, so they are counted together. A
-- counter that somebody broke counts no more; that is no reason to refuse work.
local function push_zeros(list, n)
  while n > 0 do
    local zeros = {}
    for i = 1, math.min(n, 1000) do zeros[i] = '0' end
    redis.call('LPUSH', list, unpack(zeros))
    n = n - #zeros
  end
end

local function count_metric(target, n, points)
  local key = base .. 'metrics:' .. target
  local count = redis.pcall('HINCRBY', key, 'count', n)
  if type(count) ~= 'number' then return end
  local before = count - n
  local last = redis.call('HMGET', key, 'prevTS', 'prevCount')
  if not last[1] then
    redis.call('HSET', key, 'prevTS', int(now), 'prevCount', '0')
    return
  end
  local minutes = math.min(math.floor(now / 60000) - math.floor((tonumber(last[1]) or now) / 60000), points)
  if minutes <= 0 then return end
  redis.call('LPUSH', key .. ':data', int(before - (tonumber(last[2]) or 0)))
  push_zeros(key .. ':data', minutes - 1)
  redis.call('LTRIM', key .. ':data', 0, int(points - 1))
  redis.call('HSET', key, 'prevCount', int(before), 'prevTS', int(now))
end
