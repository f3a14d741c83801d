-- renew.lua: keep the locks of running jobs, all jobs of a pool in one call.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 lock_ms    ms     how long the locks hold from now
--         then three for each job:
--           id
--           token      the lock that the attempt holds
--           started    int, the job's ats during the attempt
-- RETURNS {code, …}    per job: 0 renewed, -2 the lock ran out, -6 another's
--
-- A lock that ran out while the job stayed in active, with nobody else having
-- begun an attempt, is taken again: the server may have stood still for longer
-- than the lock held, and that is no reason to run the job twice.
local base = ARGV[1]
local active = base .. 'active'
local codes, kept, lock_keys = {}, {}, {}

for i = 3, #ARGV, 3 do lock_keys[#lock_keys + 1] = base .. ARGV[i] .. ':lock' end

local function still_ours(id, started)
  return redis.call('LPOS', active, id) and redis.pcall('HGET', base .. id, 'ats') == started
end

local function renew(i, lock)
  local id, token = ARGV[i], ARGV[i + 1]
  if lock and lock ~= token then return -6 end
  if not lock and not still_ours(id, ARGV[i + 2]) then return -2 end
  redis.call('SET', base .. id .. ':lock', token, 'PX', ARGV[2])
  kept[#kept + 1] = id
  return 0
end

for n, lock in ipairs(redis.call('MGET', unpack(lock_keys))) do
  codes[n] = renew(3 * n, lock)
end
if #kept > 0 then redis.call('SREM', base .. 'stalled', unpack(kept)) end
return codes
