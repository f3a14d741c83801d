-- ensure_meta.lua: make the queue visible to Node and to the dashboards. A
-- version that is already there, whoever wrote it, stays.
if not settings[3] then
  redis.call('HSET', KEYS[1], 'opts.maxLenEvents', '10000')
  redis.call('HSETNX', KEYS[1], 'version', 'tandem:6.7.0')
end
