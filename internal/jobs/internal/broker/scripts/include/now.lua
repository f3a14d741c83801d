-- now.lua: ARGV 2 is the moment of the call in ms, or 0 for the server's clock.
-- Production passes 0, since clients' clocks differ; tests pass what they need.
local function server_now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local now = tonumber(ARGV[2])
if now == 0 then now = server_now() end
