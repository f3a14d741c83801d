-- retry.lua: run a finished job again.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     0|1
--         4 id         string
--         5 from       completed or failed
--         6 reset      atm, ats or both with a space between: counters to clear
--         7 push       LPUSH, or RPUSH for the head of the line
-- RETURNS 0, -1 no such job, -3 the job is not in from
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include parent
-- include is_job
local id, from = ARGV[4], ARGV[5]
local job = base .. id
if not is_job(job) then return -1 end
if redis.call('ZREM', base .. from, id) == 0 then
  if ARGV[3] == '1' and not redis.call('HGET', job, 'finishedOn') then return 0 end
  return -3
end
redis.call('HDEL', job, 'finishedOn', 'processedOn', from == 'failed' and 'failedReason' or 'returnvalue')
for counter in string.gmatch(ARGV[6], '%l+') do redis.call('HDEL', job, counter) end
enqueue(id, tonumber(redis.call('HGET', job, 'priority')) or 0, ARGV[7])
local parent_key = redis.call('HGET', job, 'parentKey')
if parent_key then reattach(job, parent_key, from) end
event('waiting', 'jobId', id, 'prev', from)
mark_now()
return 0
