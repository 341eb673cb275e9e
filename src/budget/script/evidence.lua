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

-- Nothing was accepted since a refusal: a window is full, whatever the rate is. It has been full since `fullFrom`.
local function stillFull() return S.nudgedAt > S.resumed and S.sinceNudge == 0 end

-- What was accepted within a second: the last one, or the one before a window was full.
local function letThrough() return lately(2, P.span + (stillFull() and now - S.fullFrom or 0)) end

-- Refusals since the last stop: those before it have been dealt with.
local function refusedLately() return lately(3, min(P.span, now - S.haltedAt)) end
