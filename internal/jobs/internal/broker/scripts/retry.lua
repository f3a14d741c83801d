-- retry.lua: run a finished job again.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     int    0, or more with each sending whose reply was lost
--         4 elapsed    ms     since the first sending left, 0 unless resent
--         5 id         string
--         6 from       completed or failed
--         7 reset      atm, ats or both with a space between: counters to clear
--         8 push       LPUSH, or RPUSH for the head of the line
-- RETURNS 0, -1 no such job, -3 the job is not in from. Sent again it is 0 when
--         the stream tells that the job has left from since: it may have run and
--         come back there, and is not to run once more.
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include parent
-- include is_job
-- include told
-- include done
local id, from = ARGV[5], ARGV[6]
local job = base .. id
if ARGV[3] ~= '0' and done_since(tonumber(ARGV[4]), id, from) then return 0 end
if not is_job(job) then return -1 end
if redis.call('ZREM', base .. from, id) == 0 then return -3 end
redis.call('HDEL', job, 'finishedOn', 'processedOn', from == 'failed' and 'failedReason' or 'returnvalue')
for counter in string.gmatch(ARGV[7], '%l+') do redis.call('HDEL', job, counter) end
enqueue(id, tonumber(redis.call('HGET', job, 'priority')) or 0, ARGV[8])
local parent_key = redis.call('HGET', job, 'parentKey')
if parent_key then reattach(job, parent_key, from) end
event('waiting', 'jobId', id, 'prev', from)
mark_now()
return 0
