-- is_job.lua: whether a job is stored under a key. Something else under it, which
-- no client of a queue writes, is no job, and nothing is done to it.
local function is_job(key) return redis.call('TYPE', key).ok == 'hash' end
