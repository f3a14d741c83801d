-- dedup.lua: what the end of a job means for its deduplication key.
--
-- dedup_finished(id, dedup_id)  the owner finished: let the key go, unless its
--                               throttle window is still open, and add the job
--                               that was kept for afterwards
-- dedup_removed(id, dedup_id)   the owner was removed
local function store_kept(kept, id, options)
  local fields = {
    'name', kept.name or '', 'data', kept.data or '{}', 'opts', kept.opts or '{}', 'timestamp', int(now),
    'delay', int(math.max(0, tonumber(options.delay) or 0)), 'priority', int(tonumber(options.priority) or 0),
    'deid', kept.deid,
  }
  for short, field in pairs({ pk = 'parentKey', pd = 'parent', rjk = 'rjk' }) do
    if kept[short] then
      fields[#fields + 1] = field
      fields[#fields + 1] = kept[short]
    end
  end
  redis.call('HSET', base .. id, unpack(fields))
  event('added', 'jobId', id, 'name', kept.name or '')
end

local function own_kept(id, dedup_id, options)
  local de = type(options.de) == 'table' and options.de or {}
  local ttl = tonumber(de.ttl) or 0
  if ttl > 0 and not de.keepLastIfActive then
    redis.call('SET', base .. 'de:' .. dedup_id, id, 'PX', int(ttl))
  else
    redis.call('SET', base .. 'de:' .. dedup_id, id)
  end
end

local function place_kept(id, options)
  local delay, priority = tonumber(options.delay) or 0, tonumber(options.priority) or 0
  if delay > 0 then
    put_off(id, now + math.floor(delay))
    mark_next()
  else
    enqueue(id, priority, options.lifo and 'RPUSH' or 'LPUSH')
    event('waiting', 'jobId', id)
  end
end

local function add_kept(dedup_id)
  local pending = base .. 'dn:' .. dedup_id
  local flat = redis.call('HGETALL', pending)
  if #flat == 0 then return end
  local kept = { deid = dedup_id }
  for i = 1, #flat, 2 do kept[flat[i]] = flat[i + 1] end
  local ok, options = pcall(cjson.decode, kept.opts or '{}')
  if not ok or type(options) ~= 'table' then options = {} end
  local count = next_count(base .. 'id')
  local id = kept.jid or int(count)
  own_kept(id, dedup_id, options)
  store_kept(kept, id, options)
  place_kept(id, options)
  if kept.pdk then redis.call('SADD', kept.pdk, base .. id) end
  redis.call('DEL', pending)
end

local function dedup_finished(id, dedup_id)
  local key = base .. 'de:' .. dedup_id
  local ttl = redis.call('PTTL', key)
  if ttl == 0 or (ttl == -1 and redis.call('GET', key) == id) then redis.call('DEL', key) end
  add_kept(dedup_id)
end

local function dedup_removed(id, dedup_id)
  local key = base .. 'de:' .. dedup_id
  if redis.call('GET', key) == id then redis.call('DEL', key, base .. 'dn:' .. dedup_id) end
end
