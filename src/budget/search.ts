/**
 * The part of the budget's script that finds an unknown limit and keeps to it. It sees `S` (the state), `P` (constants),
 * `now` (ms), `cap` (calls/s a known limit allows, or nil), `guard()`, `min`, `max`, and `rate()`; it gives `tick`, `accepted`,
 * `congested` and `resume`.
 *
 *   free     nothing in the way: no limit is in force, or the known one is used in full
 *   startup  double every round until the first 429
 *   probe    a round above what is known to be clean; a clean one raises `lo`
 *   cruise   97% of `lo`, the highest rate that was clean
 *
 * Until `sure`, probes halve the bracket between `lo` and `hi` (a rate that was too much); from then on they step up from
 * `lo`, paid for by a purse of 429s that accepted calls fill.
 */
export const search = /* lua */ `
local function roundLength()
  if S.mode == 'startup' then return max(1000, 4000 / S.rate) end
  return min(10000, max(1000, (S.sure and 20 or 12) * 1000 / S.rate))
end

local function startRound()
  S.roundEnd, S.roundGrants, S.roundRoom = now + roundLength(), 0, 0
end

local function cruise()
  S.mode, S.rate = 'cruise', max(P.minRate, P.cruise * S.lo)
end

local function probe(rate)
  S.mode, S.rate = 'probe', rate
end

local function nextProbe()
  local again = S.mode == 'probe'
  if not S.sure then
    if S.hi > 0 and S.hi / S.lo > P.bracket then return probe(math.sqrt(S.lo * S.hi)) end
    S.sure = true
    S.holdUntil = now + 2000
    return cruise()
  end
  local most = min(.5, max(.1, P.probeCost / (S.rate * .15)))
  S.step = again and min(most, S.step * 2) or P.step
  probe(S.lo * (1 + S.step))
end

-- Ends a round when its time is over. A round counts only if its slots were wanted: otherwise nothing was tried.
local function tick()
  if S.mode == 'free' then return end
  local room = S.rate * (now - S.ticked) / 1000
  S.ticked, S.room, S.roundRoom = now, S.room + room, S.roundRoom + room
  if S.roundEnd == 0 then return startRound() end
  if now < S.roundEnd then return end
  if S.roundGrants >= .8 * S.roundRoom then
    if S.mode ~= 'startup' and now - S.resumed >= 3 * S.dead then S.events = 0 end
    if cap and S.rate >= cap and now >= S.holdUntil then
      S.mode, S.events = 'free', 0
    elseif S.mode == 'startup' then
      S.clean, S.lo, S.rate = true, S.rate, S.rate * 2
      if S.rate > P.noLimit then S.mode, S.lo, S.events = 'free', 0, 0 end
    elseif S.mode == 'probe' then
      S.lo, S.hard = S.rate, S.rate
      if S.hi > 0 and S.lo >= S.hi then S.hi = 0 end
      nextProbe()
    elseif now >= S.holdUntil and (not S.sure or S.purse >= 0) then
      nextProbe()
    end
  end
  startRound()
end

local function accepted(n)
  S.accepted = S.accepted + n
  S.purse = min(1 + .02 * (rate() or 1000), S.purse + P.purseFill * n)
  if S.mode == 'free' and now - S.since >= 1000 then
    S.seen, S.since, S.accepted = S.accepted * 1000 / (now - S.since), now, 0
  end
end

-- Lowers the rate after 429s that were not noise, once per epoch.
local function cut()
  local rate0, lo, hi = rate(), S.lo, S.hi
  local elapsed = now - S.since
  local between = S.accepted * 1000 / max(1, elapsed) -- what the limit let through since the last event
  local trusted = S.accepted >= 8 and elapsed >= 150 and S.accepted + S.throttled >= .6 * S.room
  if S.mode == 'free' and cap then
    S.lo, S.hi, S.sure = .9 * cap, cap, false
    cruise()
  elseif S.mode == 'free' then
    S.lo, S.hi, S.sure, S.clean = max(P.start, S.seen / 2), 0, false, false
    S.mode, S.rate = 'startup', S.lo
  elseif S.mode == 'startup' then
    S.hi, S.sure = rate0, false
    if not S.clean then S.lo = rate0 / 2 end
    cruise()
  elseif S.mode == 'probe' then
    S.hi = rate0
    if S.hi / lo > P.bracket + .02 then S.sure = false end
    cruise()
  elseif trusted then
    local floor = S.events > (S.longDead and 2 or 1) and .5 or .9
    S.lo = min(.97 * lo, max(floor * lo, between))
    local top = min(lo, S.lo * 1.12)
    S.hi = hi > 0 and min(hi, top) or top
    if S.hi / S.lo > P.bracket then S.sure = false end
    cruise()
  else
    S.lo = lo * max(.5, 1.03 - .08 * S.events)
    S.hi = hi > 0 and min(hi, lo) or lo
    S.sure = false
    cruise()
  end
  S.lo = max(P.minRate, S.lo)
  S.hard = S.lo
  if S.mode == 'cruise' then cruise() end
end

-- A 429 of the present epoch that is no canary: is it noise, or an event? Below the threshold it only costs its purse.
-- One that says when to come back pauses the fleet in any case, so it had better be learned from.
local function congested(n, certain)
  if cap and S.mode == 'free' then
    -- Within a known limit it is jitter, on the way or at the server: a wider guard, and only then a search.
    if now < S.joinedAt + P.settling then return true end
    S.guard, S.guardedAt = guard() + P.guardStep, now
    if S.guard <= P.guardMax then return true end
  end
  local r = S.mode == 'free' and not cap and S.seen or rate()
  local window = max(250, 20000 / max(r, 1))
  local needed = r < 20 and 1 or (r < 200 and 2 or 3)
  if certain then needed = 1 end
  if now - S.hitsSince > window then S.hitsSince, S.hits = now, 0 end
  S.hits = S.hits + n
  if S.hits >= needed then
    S.hits, S.hitsSince = 0, 0
    S.events = S.events + 1
    cut()
    S.since, S.accepted, S.throttled, S.room, S.ticked, S.seen = now, 0, 0, 0, now, 0
    return true
  end
  if S.mode == 'cruise' and S.purse < 0 and now > S.softened + roundLength() then
    S.softened = now
    S.lo = max(S.lo * .985, S.hard * .9)
    cruise()
  end
  return false
end

local function resume()
  S.dead = min(now - S.pausedAt, 4000)
  S.longDead = now - S.pausedAt > 2 * S.pause
  S.resumed, S.ticked = now, now
  S.holdUntil = now + (S.sure and 25 or 4) * S.dead
  if S.mode ~= 'free' then startRound() end
end
`;
