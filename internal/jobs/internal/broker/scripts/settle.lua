-- settle.lua: end attempts and take the next jobs, many of each in one call.
--
-- KEYS    1 meta       hash   the queue's settings; names the slot
--         2 resent     string ours: the latest sending of this call, if not
--                             the first
-- ARGV    1 base       string what every key of this queue starts with
--         2 now        ms     0 for the server's clock
--         3 resent     int    0, or more with each sending whose reply was lost
--         4 token      string names this call; locks the jobs it takes
--         5 lock_ms    ms     how long those locks hold
--         6 want       int    how many jobs to take at most, 0 for none, 100
--                             at most
--         7 worker     string name stored with the jobs, '' for none
--         8 rules      string 'max duration points': jobs per duration in ms,
--                             both '' for no limit, and for how many minutes
--                             BullMQ's metrics are kept; '' for none of it
--         9 heed       0|1    1 when the marker may be gone although work waits:
--                             whoever calls has taken it, or has not looked for
--                             some time
--         then seven for each outcome:
--           kind      completed, failed, retry (now), retry_first (now, at the
--                     head of the line), backoff and snooze (both put off; a
--                     snooze counts no attempt), release (back to the head of
--                     the line, no attempt counted)
--           id        job id
--           token     the lock that this attempt holds
--           value     JSON result, or the reason of the failure
--           numbers   'atm stc ats delay attempts': the first three as they were
--                     when the attempt began, it included in ats; ms, for
--                     backoff and snooze; how many the job may make
--           keep      'count age_ms limit', see keep_policy; '' keeps all
--           stack     JSON array of traces; '' when it is completed
-- RETURNS {now, {code, …}, {id, ats, fields, …}, next_due, limited_ms, left}
--         code per outcome: 0 done, -1 no such job, -2 lock gone, -3 not
--         active, -4 pending children, -6 foreign lock, -9 failed children.
--         now is the ms of the call, to the ms when next_due is given; 0 when
--         nothing told it. A taken job has begun now, for the time that ats
--         says; both are not yet in its fields, unless ats is ''. next_due is
--         the ms of the next delayed job, 0 without; limited_ms how long a rate
--         limit holds; left 1 when more could be taken at once, as far as the
--         call has looked.
-- ERRORS  each outcome is checked before its first write. Sent again,
--         the call ends nothing twice and returns the same jobs. A sending that
--         arrives behind a later one, on a connection that was given up, does
--         nothing: nobody would hear of the jobs it takes.
--
-- It is written in one piece, since a function costs every call what it takes to
-- make it. What is left out here is in seldom.
--
-- include queue
-- The looks of the idle: nothing to end, nothing to take. That is most of what a
-- queue without work sees.
if #ARGV == 9 and ARGV[3] == '0' and redis.call('EXISTS', wait, prioritized, delayed, base .. 'pc', KEYS[2]) == 0 then
  return { '0', {}, {}, '0', 0, 0 }
end
-- include event
-- include due
-- include clock
-- include seldom
local call, try = redis.call, redis.pcall
local token, want, stalled = ARGV[4], math.min(tonumber(ARGV[6]), 100), base .. 'stalled'

-- What hardly ever exists is asked for in one command: children of the jobs that
-- end, suspicions of dead workers, delayed jobs, and the sign that this call was
-- sent again on another connection, and heard there.
local looked, jobs, locks = { delayed, stalled, KEYS[2] }, {}, {}
for i = 10, #ARGV, 7 do
  local job, n = base .. ARGV[i + 1], #jobs + 1
  jobs[n], locks[n] = job, job .. ':lock'
  if ARGV[i] == 'completed' then
    n = #looked
    looked[n + 1], looked[n + 2] = job .. ':dependencies', job .. ':unsuccessful'
  end
end
local unusual, next_due = call('EXISTS', unpack(looked)), nil
if unusual > 0 then
  local head = call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if head[2] then
    next_due, unusual = due_of(head[2]), unusual - 1
    ask_time()
  end
end
if unusual > 0 and tonumber(ARGV[3]) < (tonumber(call('GET', KEYS[2])) or 0) then
  return { '0', {}, {}, '0', 0, 0 }
end
if next_due and next_due <= tonumber(now_text) then seldom().promote_due() end

-- The ends of attempts. The active list is read once and written once when many
-- jobs leave it together: active_ids and how often each is there.
local owners, active_ids, occurrences = {}, nil, nil
if #locks > 0 then owners = call('MGET', unpack(locks)) end
if #locks > 3 then
  active_ids = call('LRANGE', active, 0, 1000)
  if #active_ids > 1000 then active_ids = nil end -- too many to write them all again
  occurrences = {}
  for n = 1, #(active_ids or {}) do
    local id = active_ids[n]
    occurrences[id] = (occurrences[id] or 0) + 1
  end
end

-- An attempt whose job was removed, or replaced by something else, is over too:
-- its id leaves the active list, and nobody gets a job without content.
local codes, freed_locks, freed_ids, completed, completed_count = {}, {}, {}, {}, 0
for n = 1, #jobs do
  local i, job = 3 + 7 * n, jobs[n]
  local id, value, code = ARGV[i + 1], ARGV[i + 3], nil
  local stored = try('HMGET', job, 'timestamp', 'atm', 'deid', 'parentKey')
  local missing = not stored[1] and (stored.err or call('EXISTS', job) == 0)
  if owners[n] ~= ARGV[i + 2] then code = seldom().refusal(i, owners[n], missing) end
  if unusual > 0 and not code and not missing and ARGV[i] == 'completed' then code = seldom().children_left(job) end
  if not code then
    local was_active
    if active_ids then
      was_active = (occurrences[id] or 0) > 0
      if was_active then occurrences[id] = occurrences[id] - 1 end
    else
      was_active = call('LREM', active, -1, id) == 1
    end
    if not was_active and not missing then code = owners[n] and -3 or -2 end
  end
  if not code then
    local k = #freed_ids + 1
    freed_locks[k], freed_ids[k] = locks[n], id
    if missing then
      code = -1
    elseif ARGV[i] ~= 'completed' then
      seldom().end_unfinished(i)
    else
      if stored[3] then seldom().dedup_finished(id, stored[3]) end
      if stored[4] then seldom().child_completed(job, stored[4], value) end
      local entry = event('completed', 'jobId', id, 'returnvalue', value, 'prev', 'active')
      now_text = now_text or string.match(entry, '^%d+')
      if ARGV[i + 5] == '' or seldom().keep_policy(ARGV[i + 5], 'completed').count ~= 0 then
        local atm = stored[2] and int((tonumber(stored[2]) or 0) + 1) or '1'
        call('HSET', job, 'returnvalue', value, 'finishedOn', now_text, 'atm', atm)
        k = #completed
        completed[k + 1], completed[k + 2] = now_text, id
      else
        seldom().delete_job(id)
      end
      completed_count = completed_count + 1
    end
  end
  codes[n] = code or 0
end

-- stay are those that remain active. They are written together with those that
-- are taken, unless a step that is seldom needed looks at the list before. The
-- list is never away for longer than from one command to the next.
local stay
if active_ids and #freed_ids > 0 then
  stay = {}
  for n = 1, #active_ids do
    local id = active_ids[n]
    if occurrences[id] > 0 then
      occurrences[id] = occurrences[id] - 1
      stay[#stay + 1] = id
    end
  end
  if steps or concurrency or ARGV[3] ~= '0' then
    call('DEL', active)
    if #stay > 0 then call('RPUSH', active, unpack(stay)) end
    stay = nil
  end
end
if #completed > 0 then call('ZADD', base .. 'completed', unpack(completed)) end
if #freed_ids > 0 and not stay then call('DEL', unpack(freed_locks)) end
if #freed_ids > 0 and unusual > 0 then call('SREM', stalled, unpack(freed_ids)) end

local limit_max, limit_duration, points = nil, nil, 0
if ARGV[8] ~= '' then
  limit_max, limit_duration, points = string.match(ARGV[8], '^(%d*) (%d*) (%d+)$')
  points = tonumber(points)
end
local ended = completed_count
if steps then
  ended = ended + steps.close_unfinished(points)
  steps.enforce_rules()
end
if points > 0 and completed_count > 0 then seldom().count_metric('completed', completed_count, points) end

-- What an earlier sending of this call has taken, and then as many more as there
-- is room for.
local taken = {}
if ARGV[3] ~= '0' then
  try('SET', KEYS[2], ARGV[3], 'PX', 60000) -- a server that is out of memory may refuse
  seldom().retake(taken)
end
local room, limited_ms, limit = paused and 0 or want - #taken / 3, 0, nil
if room > 0 and concurrency then room = math.min(room, concurrency - call('LLEN', active)) end
if room > 0 then
  limit = tonumber(settings[4]) or tonumber(limit_max)
  if limit then room, limited_ms = seldom().allowance(math.floor(limit), room) end
end

-- The wait list comes first, then the prioritized. What is taken is active before
-- anything else is done with it, so that whatever fails then, the sweep finds it.
-- A job that is taken alone goes from list to list at once, which saves a command.
-- A list that is none, which no client of a queue makes, must not keep the ends of
-- this call from being written: it is what the call answers in the end.
local ids, broken, exhausted = {}, nil, false
if room == 1 and not stay then
  local id = try('LMOVE', wait, active, 'RIGHT', 'LEFT')
  if type(id) == 'table' then broken = id elseif id then ids[1] = id end
elseif room > 0 then
  local popped = try('RPOP', wait, room)
  if popped and popped.err then broken = popped elseif popped then ids = popped end
end
local in_line = #ids
if room > in_line and not broken then
  local ranked = try('ZPOPMIN', prioritized, room - in_line)
  if ranked.err then broken, ranked = ranked, {} end
  for k = 1, #ranked, 2 do ids[#ids + 1] = ranked[k] end
  if #ranked == 0 and not broken then call('DEL', base .. 'pc') end
  exhausted = #ids < room
end
if stay then
  local all, n = {}, #ids
  for k = 1, n do all[k] = ids[n + 1 - k] end
  for k = 1, #stay do all[n + k] = stay[k] end
  freed_locks[#freed_locks + 1] = active
  call('DEL', unpack(freed_locks))
  if #all > 0 then call('RPUSH', active, unpack(all)) end
elseif #ids > 0 and not (room == 1 and in_line == 1) then
  call('LPUSH', active, unpack(ids))
end

-- An id without a hash is dropped; a hash whose counters are not numbers goes to
-- failed with the reason, so that it can never come round again, and whoever
-- waits for it learns of its end.
for k = 1, #ids do
  local id, job = ids[k], base .. ids[k]
  local fields = try('HGETALL', job)
  local ats, atm, deferred
  for f = 1, #fields, 2 do
    local name = fields[f]
    if name == 'ats' then
      ats = fields[f + 1]
    elseif name == 'atm' then
      atm = fields[f + 1]
    elseif name == 'defa' then
      deferred = true
    end
  end
  if #fields == 0 then -- no hash; an error has no elements either
    call('LREM', active, 1, id)
  elseif ats and not tonumber(ats) or atm and not tonumber(atm) then
    call('LREM', active, 1, id)
    seldom().fail_corrupt(id, fields, 'stored job is corrupt: ats and atm must be numbers')
  else
    ats = ats and int(tonumber(ats) + 1) or '1'
    if limit and not deferred then seldom().count_start(tonumber(limit_duration) or tonumber(settings[5]) or 0) end
    call('SET', job .. ':lock', token, 'PX', ARGV[5])
    local entry = event('active', 'jobId', id, 'prev', 'waiting')
    now_text = now_text or string.match(entry, '^%d+')
    if ARGV[7] == '' then
      call('HSET', job, 'processedOn', now_text, 'ats', ats)
    else
      call('HSET', job, 'processedOn', now_text, 'ats', ats, 'pb', ARGV[7])
    end
    local n = #taken
    taken[n + 1], taken[n + 2], taken[n + 3] = id, ats, fields
  end
end
if steps then
  next_due, exhausted = steps.head_of_delayed(), false
end
local maxed = concurrency and call('LLEN', active) >= concurrency

-- The queue is drained when what has just ended was its last work.
local held_back = want > 0 and (next_due or paused or limited_ms > 0 or maxed)
if ended > 0 and #taken == 0 and not held_back then
  if call('EXISTS', wait, active, prioritized) == 0 then event('drained') end
end

-- Work that is left for others, or that one call could not promote, has the
-- marker set. A call that brought no work, freed no place that others may take,
-- and comes from a worker that never took the marker, need not look.
local left = 0
if not paused and limited_ms == 0 and not maxed and (ARGV[9] == '1' or steps or concurrency) then
  local due = next_due and next_due <= tonumber(now_text)
  if due or not exhausted and call('EXISTS', wait, prioritized) > 0 then
    call('ZADD', marker, 0, '0')
    left = 1
  end
end

-- A call that wants nothing may come from a worker that took the marker and has
-- no use for it.
if want == 0 and next_due and not paused then seldom().mark_next() end
if broken then return broken end
return { now_text or '0', codes, taken, next_due and int(next_due) or '0', limited_ms, left }
