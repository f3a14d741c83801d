-- int.lua: numbers as text. Lua's own conversion keeps 14 digits, and scores
-- have 16.
local function int(n) return string.format('%.0f', n) end
