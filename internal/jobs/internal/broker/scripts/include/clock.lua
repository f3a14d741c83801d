-- clock.lua: the moment of a call that may never need to know it. ARGV 2 is the
-- moment in ms, or 0 for the server's clock. Needs int.
--
-- now_text     the moment, nil until somebody asks for it, or an event tells it:
--              the id of a stream entry is good enough to say when a job ended,
--              not to decide what is due
-- ask_time()   now_text is known afterwards
local now_text = ARGV[2] ~= '0' and ARGV[2] or nil
local function ask_time()
  if now_text then return end
  local t = redis.call('TIME')
  now_text = int(t[1] * 1000 + math.floor(t[2] / 1000))
end
