-- queue.lua: the queue's keys and settings, and numbers as text.
-- include names
-- include int
local settings = redis.call('HMGET', KEYS[1], 'paused', 'concurrency', 'opts.maxLenEvents', 'max', 'duration')
-- include settings
