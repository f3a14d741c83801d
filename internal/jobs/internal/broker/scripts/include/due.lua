-- due.lua: when a delayed job is due.
--
-- due_of is the ms at which a delayed job with that score is due. Whatever the
-- score, infinity included, it is a number that fits into a reply.
local function due_of(score)
  local due = math.floor((tonumber(score) or math.huge) / 4096)
  return math.max(0, math.min(due, 9007199254740991))
end
