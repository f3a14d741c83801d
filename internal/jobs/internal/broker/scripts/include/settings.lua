-- settings.lua: what the queue's settings say. Needs settings, as meta has them.
--
-- max_events is how long the event stream may become, nil when the queue does
-- not say so in a way that Redis would take.
local paused = settings[1]
local concurrency = tonumber(settings[2])
if concurrency then concurrency = math.floor(concurrency) end
local max_events = #(settings[3] or '') < 16 and string.match(settings[3] or '', '^%d+$')
