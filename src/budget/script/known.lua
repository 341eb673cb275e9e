-- The known limit, by priority, and how close to it calls may go.
if ask.command then S.command = ask.command end
if ask.policy then S.policy = ask.policy end
if ask.flag and (now >= S.flagUntil or ask.flag <= S.flag) then
  S.flag, S.flagUntil = ask.flag, now + P.flagLease
end
local limit, source = 0, 'none'
if S.command > 0 then limit, source = S.command, 'command'
elseif now < S.flagUntil then limit, source = S.flag, 'flag'
elseif S.policy > 0 then limit, source = S.policy, 'header' end

local function guard() return S.guard * 2 ^ (-(now - S.guardedAt) / P.guardHalf) end
if limit ~= S.cap then S.guard = 0 end
if ask.joined then S.joinedAt = now end
local joining = now < S.joinedAt + P.joiningFor
local cap = limit > 0 and limit * ((joining and P.joining or P.pace) - guard()) or nil

-- Calls per second allowed now; nil: no limit in force.
local function rate()
  if S.mode == 'free' then return cap end
  local searched = joining and S.mode ~= 'ramp' and S.rate * P.joining or S.rate
  return cap and min(searched, cap) or searched
end
