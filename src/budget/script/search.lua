-- Finds a limit that is not given, and keeps to it.
--
--   free     no limit in sight (or the known one is used in full)
--   ramp     the start: the rate doubles until the server refuses
--   regain   after a stop: up again quickly, from a rate that is surely not too much
--   cruise   just below `good`, the highest rate known to be let through
--   climb    a try above `good`; as long as nothing is refused the steps grow, and `good` follows
--
-- What refusals change is in setbacks.lua.

-- No guess goes below this. A limit of less than a call a second shows by stops that last for seconds.
local function least() return S.long > 0 and P.minRate or P.leastGuess end

local function startRound()
  S.roundEnd = now + ((S.mode == 'ramp' or S.mode == 'free') and P.rampRound
    or S.mode == 'regain' and max(P.regainRound, 4000 / S.rate)
    or max(S.long, min(10000, max(P.span, 10000 / S.rate))))
  S.grants, S.unused, S.asks, S.unmet, S.room, S.roundOk = 0, 0, 0, 0, 0, 0
end

local function go(mode, to)
  S.mode, S.rate = mode, max(P.minRate, to)
  startRound()
end

local function cruise() go('cruise', P.margin * S.good) end

local function hold(atLeast)
  local owed = S.purse < 0 and -S.purse / (P.purseFill * max(1, S.rate)) * 1000 or 0
  S.hold = now + max(2 * S.long, min(P.holdMax, max(atLeast, owed)))
end

-- What a bucket may have saved up while the rate stayed below `good`, in seconds' worth of calls.
local function saved() return min(P.savedMax, (1 - P.margin) * (now - S.nudgedAt) / 1000) end

-- A bucket's store lets more through than its limit for a while, a window does not. `area` is how much of a store a climb
-- has used up, in seconds' worth of calls at `good`. `burst` is how much there may be: as much as the last time and, of a
-- known bucket (`store`), what it may have saved. Past that the limit itself must be higher: from there on (`proven`)
-- `good` follows, and the steps grow.
local function climb()
  local smallest = max(P.firstStep, P.leastCalls / S.good) * S.fine
  if S.mode ~= 'climb' then
    S.base, S.step, S.area, S.proven = S.good, smallest, 0, false
    if S.store then S.burst = max(S.burst, saved()) end
  else
    S.step = max(smallest, min(S.proven and P.stepMax or P.stepBucket, S.step * 2))
  end
  go('climb', S.good * (1 + S.step))
  -- A limit was close by: the first step lasts twice as long, so that it fills a whole fixed window.
  if S.step == smallest and S.nudgedAt > S.resumed then S.roundEnd = now + 2 * (S.roundEnd - now) end
end

local turn = {}

function turn.ramp(used)
  if S.grants < 2 then return end
  local spare = S.rate > P.rampSpareFrom and S.unused >= P.rampSpare * S.grants
  if spare or used < P.rampWanted then S.mode = 'free'
  elseif S.roundOk >= P.cameBack * S.grants then S.rate = S.rate * 2 end
  if S.rate > P.noLimit then S.mode = 'free' end
end

-- The rate comes near to the highest accepted rate: pace it again. (Slots are in stock here: answers count.)
function turn.free()
  if S.rate <= P.noLimit and S.roundOk >= P.wanted * S.room then S.mode = 'ramp' end
end

function turn.regain(used)
  if used < P.wanted or S.roundOk < P.cameBack * S.grants then return end
  if S.rate >= P.back * S.hi then
    S.good = S.rate
    hold(1000)
    return cruise()
  end
  S.good = max(S.good, min(S.rate, letThrough()))
  S.rate = min(S.rate * P.regain, max(S.rate, P.back * S.hi))
end

function turn.cruise(used)
  if used < P.wanted then return end
  if cap and S.rate >= cap then
    S.mode, S.halts = 'free', 0
  elseif now >= S.hold then
    if S.trialUntil > 0 then S.burst, S.store, S.trialUntil = P.burstAfterTrial * S.burst, false, 0 end
    climb()
  end
end

function turn.climb(used, seconds)
  if used < P.wanted then return cruise() end
  -- Slots that a busy machine could not use tried nothing.
  if S.roundOk < max(1, P.made * (S.grants - S.unused)) then return end
  S.area = S.area + (S.rate / S.base - 1) * seconds
  S.proven = S.proven or S.area > P.beyond * S.burst
  if S.proven then S.good = S.rate end
  -- So far above, a long window would have refused.
  if S.proven and S.good >= P.longOver * S.base then S.long = 0 end
  climb()
end

-- What was let through, per second, after the ramp and while all slots were wanted. Stops count, as they will come again; of a
-- long one only a part, or it would outweigh what follows. Plans use this, since `rate` may be a try, or a bucket's store.
local function noteFull(wanted)
  if wanted then S.fullMs, S.fullOk = S.fullMs + min(now - S.fullAt, P.fullMost), S.fullOk + S.sinceFull end
  if S.fullMs > P.fullMost then S.fullMs, S.fullOk = S.fullMs / 2, S.fullOk / 2 end
  S.fullAt, S.sinceFull = now, 0
end

local function sustained() return S.fullMs < P.fullLeast and 0 or S.fullOk * 1000 / S.fullMs end

-- Ends a round when its time is over. It says something only if its slots were wanted.
local function tick()
  local room = S.rate * (now - S.ticked) / 1000
  S.ticked = now
  if cap and S.mode == 'free' then return end
  S.room = S.room + room
  if now < S.roundEnd then return end
  local mode, seconds = S.mode, S.room / max(S.rate, P.minRate)
  local used = S.grants / max(S.room, .001)
  -- A busy machine that comes late for its slots still wants them all, if it makes a part of the calls.
  if S.rate <= P.behind * letThrough() then used = max(used, S.unmet / max(P.leastAsks, S.asks)) end
  noteFull(mode ~= 'ramp' and used >= P.wanted)
  turn[mode](used, seconds)
  if S.roundEnd <= now then startRound() end
end

local function accepted(n)
  note(n, 0)
  S.sinceFull = S.sinceFull + n
  S.roundOk = S.roundOk + n
  S.sinceResume, S.sinceStop, S.sinceNudge = S.sinceResume + n, S.sinceStop + n, S.sinceNudge + n
  S.purse = min(P.purseMost + P.purseFill * S.rate, S.purse + P.purseFill * n)
end
