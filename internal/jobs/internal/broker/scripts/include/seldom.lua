-- seldom.lua: steps that most calls of settle do without. Making a function
-- costs a call about as much as a small command, so these are made when one of
-- them is needed. What they do can change which delayed job is next.
--
-- seldom()   the steps by name
local seldom_steps
local function seldom()
  if seldom_steps then return seldom_steps end
  -- include parent
  -- include delete
  -- include keep
  -- include dedup
  -- include metrics
  seldom_steps = {
    child_completed = child_completed, child_failed = child_failed, detach = detach, delete_job = delete_job,
    evict = evict, dedup_finished = dedup_finished, count_metric = count_metric,
  }
  return seldom_steps
end
