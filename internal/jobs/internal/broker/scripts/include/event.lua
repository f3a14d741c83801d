-- event.lua: append to the queue's event stream. The first event of a call
-- trims the stream too; Redis does that by whole nodes, so it costs little.
local untrimmed = true
local function event(...)
  if untrimmed then
    untrimmed = false
    return redis.call('XADD', events, 'MAXLEN', '~', max_events or '10000', '*', 'event', ...)
  end
  return redis.call('XADD', events, '*', 'event', ...)
end
