-- seldom.lua: steps that most calls of settle do without. Making a function, and
-- capturing a variable for it, costs a call about as much as a small command, so
-- these are made when one of them is needed, and their names are made again.
-- What they do can change which delayed job is next, and can bring new work.
-- Needs settings, event, due, clock.
--
-- seldom()   the steps by name
local steps
local function seldom()
  if steps then return steps end
  ask_time()
  local now = tonumber(now_text)
  -- include names
  -- include settings
  -- include field
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
  steps = {
    promote_due = promote_due, head_of_delayed = head_of_delayed, children_left = children_left,
    child_completed = child_completed, delete_job = delete_job, dedup_finished = dedup_finished,
    keep_policy = keep_policy, enforce_rules = enforce_rules, count_metric = count_metric,
    refusal = refusal, end_unfinished = end_unfinished, close_unfinished = close_unfinished,
    fail_corrupt = fail_corrupt, allowance = allowance, count_start = count_start, retake = retake,
    mark_next = mark_next,
  }
  return steps
end
