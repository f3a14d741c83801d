-- names.lua: the queue's keys.
--
-- Every script has KEYS 1 meta and ARGV 1 base. The one key names the Cluster
-- slot; the others start with the same base, so they share its hash tag.
local base = ARGV[1]
local wait, active, prioritized = base .. 'wait', base .. 'active', base .. 'prioritized'
local delayed, marker, events = base .. 'delayed', base .. 'marker', base .. 'events'
