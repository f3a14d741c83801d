-- retake.lua: find what an earlier sending of this call took: jobs locked with
-- the token that names the call, in the order in which it took them. The newest
-- are at the head of the list.
--
-- retake(taken)   appends them
local function retake(taken)
  local ids = redis.call('LRANGE', active, 0, 999)
  if #ids == 0 then return end
  local locks = {}
  for i, id in ipairs(ids) do locks[i] = base .. id .. ':lock' end
  locks = redis.call('MGET', unpack(locks))
  for i = #ids, 1, -1 do
    if locks[i] == ARGV[4] then
      local n = #taken
      taken[n + 1], taken[n + 2], taken[n + 3] = ids[i], '', redis.call('HGETALL', base .. ids[i])
    end
  end
end
