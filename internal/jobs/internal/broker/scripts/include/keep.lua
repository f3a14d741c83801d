-- keep.lua: remove finished jobs that nobody wants to keep. No events, as in
-- BullMQ. Needs now, delete, parent.
--
-- evict(set, ids)   at most 200 ids, which stand in completed or failed
local function evict(set, ids)
  local doomed = {}
  for i = 1, #ids do
    local job = base .. ids[i]
    if set == 'failed' then
      local parent_key = redis.pcall('HGET', job, 'parentKey')
      if type(parent_key) == 'string' then detach(job, parent_key) end
    end
    keys_of(job, doomed)
  end
  redis.call('DEL', unpack(doomed))
  redis.call('ZREM', base .. set, unpack(ids))
end
