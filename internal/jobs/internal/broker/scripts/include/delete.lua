-- delete.lua: a job's keys. The lock stays, as in BullMQ: it runs out, or its
-- owner lets it go.
local function keys_of(job, into)
  local n = #into
  into[n + 1], into[n + 2], into[n + 3] = job, job .. ':logs', job .. ':dependencies'
  into[n + 4], into[n + 5], into[n + 6] = job .. ':processed', job .. ':failed', job .. ':unsuccessful'
end

local function delete_job(id)
  local doomed = {}
  keys_of(base .. id, doomed)
  return redis.call('DEL', unpack(doomed))
end
