-- find.lua: where a job is. Needs queue.
--
-- state_of(id)       the state's name, as jobs.State has it, or 'unknown'
-- take_out(id)       removes the id from the first place that has it and tells
--                    that place by the name that BullMQ's events use
-- pending_run(id)    true for the pending run of a job scheduler
local zsets = { 'completed', 'failed', 'delayed', 'prioritized' }

local function state_of(id)
  for _, name in ipairs(zsets) do
    if redis.call('ZSCORE', base .. name, id) then return name end
  end
  if redis.call('LPOS', active, id) then return 'active' end
  if redis.call('LPOS', wait, id) or redis.call('LPOS', base .. 'paused', id) then return 'waiting' end
  if redis.call('ZSCORE', base .. 'waiting-children', id) then return 'waiting-children' end
  return 'unknown'
end

local function take_out(id)
  for _, name in ipairs({ 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized' }) do
    if redis.call('ZREM', base .. name, id) == 1 then return name end
  end
  for _, name in ipairs({ 'wait', 'paused', 'active' }) do
    if redis.call('LREM', base .. name, 0, id) > 0 then return name end
  end
  return 'unknown'
end

local function pending_run(id)
  local scheduler, at = string.match(id, '^repeat:(.*):(%d+)$')
  if not scheduler then return false end
  local score = redis.call('ZSCORE', base .. 'repeat', scheduler)
  return score and int(tonumber(score)) == at
end
