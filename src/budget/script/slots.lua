-- Slots. A flow is the calls of one kind of one run. Kinds share evenly, runs of a kind by weight, and only while others
-- want slots too: a flow ahead of its share is held back until those others come for theirs.
-- Pacing is GCRA: `tat` is when the next slot is due.
local function share(flow)
  local kinds, weights = 0, {}
  for _, f in pairs(S.flows) do
    if f.wantUntil > now or f == flow then
      if not weights[f.kind] then kinds = kinds + 1 end
      weights[f.kind] = (weights[f.kind] or 0) + f.weight
    end
  end
  return flow.weight / weights[flow.kind] / kinds
end

-- A process that knows how long an answer takes it comes back just in time, and so asks more rarely.
local refill = max(1, min(P.refill, ask.lead or P.refill))

-- How late a slot may be used, and how far the pace may be made up. Within a known limit that comes out of what `pace` leaves
-- free; a search finds out by itself how much a fleet that stalls now and then may be allowed.
-- A slow rate's slots are far apart: there, a part of that distance does no harm, and a busy machine needs it.
local late = S.mode == 'free' and P.late or max(P.lateSearched, P.lateShare * 1000 / max(S.rate, P.minRate))
local catchUp = S.mode == 'free' and P.catchUp or P.catchUpSearched

local function pacedSlots(flow, n, r)
  local T, part = 1000 / r, share(flow)
  local at, given, wait = 0, 0, 0
  while given < n do
    S.tat = max(S.tat, now - catchUp)
    flow.tat = max(flow.tat, now - catchUp)
    if S.tat > now + P.ahead then
      wait = max(1, S.tat - now - refill)
      break
    end
    if part < 1 and flow.tat > now + P.ahead then
      wait = min(flow.tat - now - P.ahead, refill) + 1
      break
    end
    if given == 0 then at = S.tat end
    S.tat = S.tat + T
    flow.tat = min(flow.tat + T / part, now + P.ahead + T / part)
    given = given + 1
  end
  return { n = given, at = at, step = T, wait = wait }
end

-- With no limit in sight slots come in blocks, to be used at any time; the ceiling only keeps a sudden demand from going
-- far past what was ever let through, and rises as the ramp does.
local function freeSlots(n)
  if S.rate == 0 or S.rate > P.noLimit then return { n = n, at = now, step = 0, wait = 0 } end
  local T = 1000 / S.rate
  S.tat = max(S.tat, now - P.freeBlock)
  local given = max(0, min(n, math.floor((now - S.tat) / T)))
  S.tat = S.tat + given * T
  return { n = given, at = now, step = 0, wait = given < n and max(5, S.tat + T - now) or 0 }
end

local function none(wait) return { n = 0, at = 0, step = 0, wait = min(wait, P.comeBack) } end

local slots, canary = {}, false
if ask.want and #ask.want > 0 then
  if S.began == 0 and not cap then
    S.began, S.ticked, S.unsureUntil = now, now, now + P.tuition
    go('ramp', P.start)
  end
  if S.canary == 'none' and now >= S.pausedUntil then tick() end
  local flows = {}
  for i, want in ipairs(ask.want) do
    local flow = S.flows[want.flow] or { tat = 0, wantUntil = 0 }
    flow.kind, flow.weight = want.kind, want.weight
    flow.wantUntil = max(flow.wantUntil, now + 1)
    S.flows[want.flow], flows[i] = flow, flow
  end
  local r = rate()
  for i, want in ipairs(ask.want) do
    local flow = flows[i]
    local left, full = quotaLeft()
    local n = min(want.n, left)
    if now < S.pausedUntil then
      slots[i] = none(S.pausedUntil - now)
    elseif full then
      slots[i] = none(freeIn(full))
    elseif S.canary == 'out' and now < S.canaryUntil and not (repeated and S.canaryHolder == ask.from) then
      slots[i] = none(min(S.canaryUntil - now, 250))
    elseif S.canary ~= 'none' then
      S.canary, S.canaryUntil, canary = 'out', now + (S.circuit and P.probeLease or P.canaryLease), true
      S.canaryHolder = ask.from or ''
      slots[i] = { n = 1, at = now, step = 0, wait = want.n > 1 and 250 or 0 }
    elseif not r then
      slots[i] = freeSlots(n)
    else
      slots[i] = pacedSlots(flow, n, r)
    end
    takeQuota(slots[i].n)
    S.grants, S.asks = S.grants + slots[i].n, S.asks + 1
    if slots[i].n < want.n then S.unmet = S.unmet + 1 end
    flow.wantUntil = slots[i].n < want.n and now + slots[i].wait + 20 or 0
  end
  for id, flow in pairs(S.flows) do
    if flow.wantUntil < now and flow.tat < now then S.flows[id] = nil end
  end
end
