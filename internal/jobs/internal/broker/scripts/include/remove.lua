-- remove.lua: take jobs away for good. Needs now, event, parent, delete, dedup,
-- find.
--
-- discard(id)   one job that was taken out of its list already, as drain and
--               clean do: its parent is told, and removed with it when it was
--               waiting for this child alone and lives in this queue
local function forget(id)
  local job = base .. id
  local dedup_id = redis.pcall('HGET', job, 'deid')
  if type(dedup_id) == 'string' then dedup_removed(id, dedup_id) end
  return delete_job(id)
end

local function orphaned_parent(key, parent_key)
  if redis.call('EXISTS', parent_key) == 0 then return end
  if redis.call('SREM', parent_key .. ':dependencies', key) == 0 then return end
  if redis.call('EXISTS', parent_key .. ':dependencies') == 1 then return end
  local queue, id = split_key(parent_key)
  if redis.call('ZREM', queue .. 'waiting-children', id) == 0 then return end
  if queue == base then return id end
  redis.call('RPUSH', queue .. 'wait', id)
  mark_queue(queue)
end

local function discard(id)
  for _ = 1, 100 do
    local job = base .. id
    local parent_key = redis.pcall('HGET', job, 'parentKey')
    local parent = type(parent_key) == 'string' and orphaned_parent(job, parent_key)
    forget(id)
    if not parent then return end
    id = parent
  end
end
