-- change_delay.lua: put a delayed job off until another moment, from now.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     int    0, or more with each sending whose reply was lost
--         4 elapsed    ms     since the first sending left, 0 unless resent
--         5 id         string
--         6 delay      ms
-- RETURNS 0, -1 no such job, -3 the job is not delayed. Sent again it is 0 when
--         the stream tells that the job was put off by as much since (it gives
--         an entry the moment to a ms or two): if it is not delayed any more,
--         it was due.
--
-- include queue
-- include now
-- include event
-- include mark
-- include enqueue
-- include is_job
-- include told
local id, delay = ARGV[5], tonumber(ARGV[6])
if ARGV[3] ~= '0' then
  local done = false
  told_since(tonumber(ARGV[4]), function(fields, at)
    if ARGV[2] ~= '0' then at = now end
    done = fields[2] == 'delayed' and fields[4] == id and math.abs((tonumber(fields[6]) or 0) - at - delay) <= 2
    return done
  end)
  if done then return 0 end
end
if not is_job(base .. id) then return -1 end
if redis.call('ZREM', delayed, id) == 0 then return -3 end
redis.call('HSET', base .. id, 'delay', int(delay))
put_off(id, now + delay)
mark_next()
return 0
