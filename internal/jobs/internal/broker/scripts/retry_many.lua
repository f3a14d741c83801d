-- retry_many.lua: run finished jobs again, or delayed ones at once, the oldest
-- first. Unlike BullMQ's it keeps each job's priority, and clears its delay.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 from       completed, failed or delayed
--         4 until      ms     only what finished by then, '' for all; not for delayed
--         5 count      int    at most so many, 100 at most
-- RETURNS how many were moved. Sent again, it moves the next ones: call it until
--         it returns 0.
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include parent
-- include is_job
local from, upper = ARGV[3], ARGV[4] == '' and '+inf' or ARGV[4]
local count = math.min(tonumber(ARGV[5]), 100)
local ids = redis.call('ZRANGEBYSCORE', base .. from, '-inf', upper, 'LIMIT', 0, count)
if #ids == 0 then return 0 end

local function clear(job)
  if from == 'delayed' then
    redis.call('HSET', job, 'delay', '0')
    return
  end
  redis.call('HDEL', job, 'finishedOn', 'processedOn', from == 'failed' and 'failedReason' or 'returnvalue')
  local parent_key = redis.call('HGET', job, 'parentKey')
  if parent_key then reattach(job, parent_key, from) end
end

local function move(id)
  local job = base .. id
  if not is_job(job) then return end
  clear(job)
  enqueue(id, tonumber(redis.call('HGET', job, 'priority')) or 0, 'LPUSH')
  event('waiting', 'jobId', id, 'prev', from)
end

redis.call('ZREM', base .. from, unpack(ids))
for _, id in ipairs(ids) do move(id) end
mark_now()
return #ids
