-- The server's answers of the last second, in steps of 50 ms: calls accepted and calls refused. Accepted calls are
-- evidence: no rate below theirs can have been too high.
local function note(ok, refused)
  local kept, last = {}, S.recent[#S.recent]
  if last and now - last[1] < 50 then
    last[2], last[3] = last[2] + ok, last[3] + refused
  else
    S.recent[#S.recent + 1] = { now, ok, refused }
  end
  for _, part in ipairs(S.recent) do
    if part[1] > now - 3000 then kept[#kept + 1] = part end
  end
  S.recent = kept
end

local function lately(which, ms)
  local sum = 0
  for _, part in ipairs(S.recent) do
    if part[1] > now - ms then sum = sum + part[which] end
  end
  return sum
end

local function letThrough() return lately(2, P.span) end

-- Refusals since the last stop: those before it have been dealt with.
local function refusedLately() return lately(3, min(P.span, now - S.haltedAt)) end
