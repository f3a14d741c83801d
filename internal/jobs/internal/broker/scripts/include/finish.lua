-- finish.lua: end attempts. i is the place of an outcome in ARGV; settle.lua
-- names its parts. An outcome is checked in full before its first write, and one
-- that is refused does not touch the others.
--
-- finish_all(locks)   ends what the call carries and returns a code for each

-- The active list as it will be: read once, written once, when several jobs
-- leave it together; otherwise LREM.
local active_ids, occurrences, active_changed
local function leave_active(id)
  if not active_ids then return redis.call('LREM', active, -1, id) == 1 end
  if (occurrences[id] or 0) == 0 then return false end
  occurrences[id] = occurrences[id] - 1
  active_changed = true
  return true
end

local function complete(i, job, atm, fields)
  local id, value, kept = ARGV[i + 1], ARGV[i + 3], true
  if fields[2] then seldom().dedup_finished(id, fields[2]) end
  if fields[3] then seldom().child_completed(job, fields[3], value) end
  if ARGV[i + 6] ~= '-1 0 0' then kept = seldom().keep_policy(ARGV[i + 6], 'completed').count ~= 0 end
  tell('completed', 'jobId', id, 'returnvalue', value, 'prev', 'active')
  if kept then
    redis.call('HSET', job, 'returnvalue', value, 'finishedOn', now_text, 'atm', int(atm))
    local n = #completed_rows
    completed_rows[n + 1], completed_rows[n + 2] = now_text, id
  else
    seldom().delete_job(id)
  end
  completed_count = completed_count + 1
end

-- An attempt whose job was removed, or replaced by something else, is over too:
-- its id leaves the active list, and nobody gets a job without content.
local freed_locks, freed_ids = {}, {}
local function finish(i, lock)
  local id = ARGV[i + 1]
  local job = base .. id
  local fields = redis.pcall('HMGET', job, 'atm', 'deid', 'parentKey', 'parent', 'defa', 'stc', 'priority', 'timestamp', 'ats')
  local missing = fields.err or (not fields[8] and not fields[7] and redis.call('EXISTS', job) == 0)
  local code
  if lock ~= ARGV[i + 2] then code = seldom().refusal(i, lock, not missing and fields) end
  if unusual > 0 and not code and not missing and ARGV[i] == 'completed' then code = seldom().children_left(job) end
  if code then return code end
  if not leave_active(id) and not missing then return lock and -3 or -2 end
  freed_locks[#freed_locks + 1], freed_ids[#freed_ids + 1] = job .. ':lock', id
  if missing then return -1 end
  local atm = (tonumber(fields[1]) or 0) + 1
  if ARGV[i] == 'completed' then
    complete(i, job, atm, fields)
  else
    seldom().end_unfinished(i, atm, fields)
  end
  return 0
end

local function read_active()
  local ids = redis.call('LRANGE', active, 0, 1000)
  if #ids > 1000 then return end -- too many to write them all again
  active_ids, occurrences = ids, {}
  for _, id in ipairs(ids) do occurrences[id] = (occurrences[id] or 0) + 1 end
end

local function store_active()
  local rest = {}
  for _, id in ipairs(active_ids) do
    if occurrences[id] > 0 then
      occurrences[id] = occurrences[id] - 1
      rest[#rest + 1] = id
    end
  end
  redis.call('DEL', active)
  if #rest > 0 then redis.call('RPUSH', active, unpack(rest)) end
end

local function finish_all(locks)
  local codes = {}
  if #locks > 3 then read_active() end
  for n = 1, #locks do codes[n] = finish(3 + 9 * n, locks[n]) end
  if active_changed then store_active() end
  if #completed_rows > 0 then redis.call('ZADD', base .. 'completed', unpack(completed_rows)) end
  if #failed_rows > 0 then redis.call('ZADD', base .. 'failed', unpack(failed_rows)) end
  if #freed_locks > 0 then
    redis.call('DEL', unpack(freed_locks))
    if unusual > 0 then redis.call('SREM', base .. 'stalled', unpack(freed_ids)) end
  end
  if put_some_off then seldom().mark_next() end
  if seldom_steps then seldom().enforce_rules() end
  return codes
end
