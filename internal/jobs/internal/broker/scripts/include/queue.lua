-- queue.lua: the queue's keys and settings, and numbers as text.
--
-- Every script has KEYS 1 meta and ARGV 1 base. The one key names the Cluster
-- slot; the others start with the same base, so they share its hash tag.
-- max_events is how long the event stream may become, nil when the queue does
-- not say so in a way that Redis would take.
local base = ARGV[1]
local wait, active, prioritized = base .. 'wait', base .. 'active', base .. 'prioritized'
local delayed, marker, events = base .. 'delayed', base .. 'marker', base .. 'events'

-- Lua's own conversion keeps 14 digits, and scores have 16.
local function int(n) return string.format('%.0f', n) end

local settings = redis.call('HMGET', KEYS[1], 'paused', 'concurrency', 'opts.maxLenEvents', 'max', 'duration')
local paused = settings[1]
local concurrency = tonumber(settings[2])
if concurrency then concurrency = math.floor(concurrency) end
local max_events = #(settings[3] or '') < 16 and string.match(settings[3] or '', '^%d+$')
