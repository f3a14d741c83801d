-- done.lua: whether an earlier sending of this call has moved the job already.
-- Needs told.
local function done_since(elapsed, id, from)
  local done = false
  told_since(elapsed, function(fields)
    done = fields[2] == 'waiting' and fields[4] == id and fields[6] == from
    return done
  end)
  return done
end
