-- seldom.lua: steps that most calls of settle do without. Making a function
-- costs a call about as much as a small command, so these are made when one of
-- them is needed. What they do can change which delayed job is next, and can
-- bring new work.
--
-- seldom()   the steps by name
local seldom_steps
local function seldom()
  if seldom_steps then return seldom_steps end
  ask_time()
  -- include mark
  -- include enqueue
  -- include promote
  -- include parent
  -- include delete
  -- include keep
  -- include dedup
  -- include metrics
  -- include unfinished
  -- include limit
  -- include retake
  seldom_steps = {
    promote_due = promote_due, head_of_delayed = head_of_delayed, mark_next = mark_next,
    child_completed = child_completed, delete_job = delete_job, dedup_finished = dedup_finished,
    keep_policy = keep_policy, enforce_rules = enforce_rules, count_metric = count_metric,
    refusal = refusal, children_left = children_left, end_unfinished = end_unfinished,
    fail_corrupt = fail_corrupt, allowance = allowance, count_start = count_start, retake = retake,
  }
  return seldom_steps
end
