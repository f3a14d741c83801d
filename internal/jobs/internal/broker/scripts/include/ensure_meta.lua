-- ensure_meta.lua: make the queue visible to Node and to the dashboards. A
-- version that is already there, whoever wrote it, stays.
if not max_events then
  max_events = '10000'
  redis.call('HSET', KEYS[1], 'opts.maxLenEvents', max_events)
  redis.call('HSETNX', KEYS[1], 'version', 'tandem:6.7.0')
end
