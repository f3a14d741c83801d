-- clock.lua: the moment of a call that may never need to know it. ARGV 2 is the
-- moment in ms, or 0 for the server's clock. Needs event.
--
-- ask_time()   now and now_text are known afterwards
-- tell(...)    appends an event, whose id tells the time to a call that has not
--              asked for it: that is good enough to say when a job ended, not to
--              decide what is due
local now = tonumber(ARGV[2])
local now_text = now > 0 and ARGV[2]

local function ask_time()
  if now_text then return end
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
  now_text = int(now)
end

local function tell(...)
  local entry = event(...)
  if now_text then return end
  now_text = string.match(entry, '^%d+')
  now = tonumber(now_text)
end
