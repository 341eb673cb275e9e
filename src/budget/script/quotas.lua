-- Windows longer than a minute: at most n calls in any stretch of an hour or a day, made at any time. The slots given
-- out are counted in parts of a 48th of the window; a part counts until all of it is older than the window. So no
-- stretch has more calls than allowed, whether the server counts by the clock or backwards from each call.
local PARTS = 48

local function quotaOf(ms)
  for _, quota in ipairs(S.quotas) do
    if quota.ms == ms then return quota end
  end
  local quota = { ms = ms, flag = 0, flagUntil = 0, command = 0, parts = {} }
  S.quotas[#S.quotas + 1] = quota
  return quota
end

for _, told in ipairs(ask.quotas or {}) do
  local quota = quotaOf(told[1])
  if now >= quota.flagUntil or told[2] <= quota.flag then
    quota.flag, quota.flagUntil = told[2], now + P.flagLease
  end
end
if ask.command then
  for _, quota in ipairs(S.quotas) do quota.command = 0 end
  for _, told in ipairs(ask.commandQuotas or {}) do quotaOf(told[1]).command = told[2] end
  news = true
end

-- A command outranks the flags as a whole: what it leaves out is not limited.
local commanded = S.command > 0
for _, quota in ipairs(S.quotas) do commanded = commanded or quota.command > 0 end

local kept, inForce = {}, {}
for _, quota in ipairs(S.quotas) do
  local parts = {}
  quota.used = 0
  for _, part in ipairs(quota.parts) do
    if part[1] + quota.ms / PARTS + quota.ms > now then
      parts[#parts + 1], quota.used = part, quota.used + part[2]
    end
  end
  quota.parts = parts
  quota.limit = commanded and quota.command or now < quota.flagUntil and quota.flag or 0
  if quota.limit > 0 then inForce[#inForce + 1] = quota end
  if quota.limit > 0 or #parts > 0 then kept[#kept + 1] = quota end
end
S.quotas = kept

-- Calls that were given out and not made.
for _, quota in ipairs(S.quotas) do
  local back = ask.unused or 0
  for i = #quota.parts, 1, -1 do
    local n = min(back, quota.parts[i][2])
    quota.parts[i][2], quota.used, back = quota.parts[i][2] - n, quota.used - n, back - n
  end
end

-- Calls that are left, and the window that leaves none.
local function quotaLeft()
  local left, full = math.huge, nil
  for _, quota in ipairs(inForce) do
    if quota.limit - quota.used < left then left, full = quota.limit - quota.used, quota end
  end
  if left < 1 then return 0, full end
  return math.floor(left), nil
end

-- How long until a call of it is free again.
local function freeIn(quota)
  local over = quota.used - quota.limit
  for _, part in ipairs(quota.parts) do
    over = over - part[2]
    if over < 0 then return max(1, part[1] + quota.ms / PARTS + quota.ms - now) end
  end
  return 1
end

local function takeQuota(n)
  if n == 0 then return end
  for _, quota in ipairs(S.quotas) do
    local at = math.floor(now / (quota.ms / PARTS)) * (quota.ms / PARTS)
    local last = quota.parts[#quota.parts]
    if last and last[1] >= at then last[2] = last[2] + n else quota.parts[#quota.parts + 1] = { at, n } end
    quota.used = quota.used + n
  end
end
