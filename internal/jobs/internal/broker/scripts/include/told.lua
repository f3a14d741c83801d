-- told.lua: what the event stream has told since a call was first sent, for a
-- call whose reply was lost. Read only then, the newest first, as far as the
-- stream is usually long.
--
-- told_since(elapsed, visit)   calls visit with the fields of each entry that is
--                              not older than elapsed ms, its moment and its age
--                              in ms, until it returns true
--
-- Ids never go back, also when the clock does: what is newest tells how far the
-- stream is.
local function told_since(elapsed, visit)
  local newest = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
  if not newest then return end
  local t = redis.call('TIME')
  local latest = math.min(tonumber(string.match(newest[1], '^%d+')), t[1] * 1000 + math.floor(t[2] / 1000))
  local oldest, upper = int(math.max(0, latest - elapsed)), '+'
  for _ = 1, 10 do
    local entries = redis.call('XREVRANGE', events, upper, oldest, 'COUNT', 1000)
    for _, entry in ipairs(entries) do
      local at = tonumber(string.match(entry[1], '^%d+'))
      if visit(entry[2], at, latest - at) then return end
    end
    if #entries < 1000 then return end
    upper = entries[1000][1]
  end
end
