-- Finds a limit that is not given, and keeps to it.
--
--   free     no limit in sight (or the known one is used in full)
--   ramp     the start: the rate doubles until the server refuses
--   regain   after a stop: up again quickly, from a rate that is surely not too much
--   cruise   just below `good`, the highest rate known to be let through
--   climb    a try above `good`; as long as nothing is refused the steps grow, and `good` follows
--
-- A single refusal is a `nudge`: a little less, at once, and no call waits. Many within a second are a `halt`: all
-- calls stop, one call at a time tests when they may go on, and `regain` follows.

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
  elseif S.roundOk >= .5 * S.grants then S.rate = S.rate * 2 end
  if S.rate > P.noLimit then S.mode = 'free' end
end

-- The rate comes near to the highest accepted rate: pace it again. (Slots are in stock here: answers count.)
function turn.free()
  if S.rate <= P.noLimit and S.roundOk >= P.wanted * S.room then S.mode = 'ramp' end
end

function turn.regain(used)
  if used < P.wanted or S.roundOk < .5 * S.grants then return end
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
    if S.trialUntil > 0 then S.burst, S.store, S.trialUntil = .5 * S.burst, false, 0 end
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
  S.purse = min(.5 + .005 * S.rate, S.purse + P.purseFill * n)
end

-- Calls accepted since the refusal before, per second: exact for every kind of limit that was full both times.
local function betweenRefusals()
  local ms = now - S.nudgedAt
  if ms < 100 or ms > 3000 or S.sinceNudge < 4 then return S.rate end
  return S.sinceNudge * 1000 / ms
end

-- How long a rate above `base` is tried: long enough for a bucket at `base` to be short of a call.
local function trialFor()
  return min(P.trialMax, max(P.trial, P.trialCalls * 1000 / max(.001, P.margin * S.good - S.base)))
end

-- A refusal by itself: less, at once, and a little room.
local function nudge()
  S.epoch = S.epoch + 1
  local unsure = now < S.unsureUntil
  local since = now - S.nudgedAt
  local full = stillFull()
  if not full then S.fullFrom = now end
  -- Refused again at once: a fixed window is full until it turns. At any rate, only a longer gap helps.
  S.gap = (full or since < P.atOnce) and min(P.gapMax, S.gap * 2) or P.nudgeGap
  if full or now - S.resumed < P.span or since < P.atOnce or now < S.trialFrom then
    -- A refusal this soon says something about the burst before, and nothing about the present rate.
  elseif S.mode == 'climb' and not S.proven then
    S.store = S.store and S.area >= .5 * saved() -- a bucket would have held what it saved
    S.burst = max(S.area, .7 * S.burst)
    S.fine = S.area == 0 and S.fine > P.finest and .5 * S.fine or 1
    -- What a bucket lets through from refusal to refusal is its limit.
    if S.store then S.good = max(least(), min(S.good, betweenRefusals())) end
    cruise()
  elseif S.mode == 'climb' then
    -- Back to the step before. A window is content with that, once it has turned; a bucket whose store is gone refuses on.
    S.hi, S.fine = S.rate, 1
    S.good = max(S.base, min(S.good, letThrough()))
    S.trialFrom, S.trialUntil = now + P.trialFrom, now + trialFor()
    if S.step > .15 then
      S.unsureUntil = max(S.unsureUntil, now + P.newFor)
      go('regain', S.good)
    else
      cruise()
    end
  elseif S.mode == 'regain' then
    S.good = max(least(), P.back * min(letThrough(), S.rate))
    cruise()
  elseif now < S.trialUntil and S.good < P.beyond * S.base then
    S.burst, S.good, S.store, S.trialUntil = S.area, S.base, true, 0
    cruise()
  else
    local kept = (unsure or S.purse < -1 - .02 * S.rate) and P.cutUnsure or P.cut
    S.good = max(least(), S.good * max(.85, min(kept, betweenRefusals() / S.rate)))
    cruise()
  end
  hold(max(unsure and 1000 or P.holdMin, S.trialUntil - now))
  S.nudgedAt, S.sinceNudge = now, 0
  S.tat = max(S.tat, now + max(S.gap, P.nudgeSlots * 1000 / S.rate))
end

-- Far too fast: what to go on with after the stop.
local function lower()
  S.unsureUntil = max(S.unsureUntil, now + P.newFor)
  local seen = max(letThrough(), 1)
  if S.mode == 'free' and cap then
    S.hi, S.good = cap, .9 * cap
  elseif S.mode == 'free' or S.mode == 'ramp' then
    S.hi, S.good, S.ofBurst = seen, seen / 2, true
  elseif (S.mode == 'climb' or now < S.trialUntil) and S.good < P.beyond * S.base then
    -- A try went wrong: back to where it began.
    S.burst, S.good, S.trialUntil, S.mode = max(S.area, .7 * S.burst), S.base, 0, 'cruise'
    S.rate = P.margin * S.good
    return
  elseif now - S.resumed < P.span and S.ofBurst then
    -- A refusal this soon says something about the burst before the stop, and nothing about the present rate.
    S.rate, S.ofBurst = S.good, false
    return
  elseif now - S.resumed < P.span then
    -- From stop to stop as much is let through as the limit allows, or less where the stop was long.
    local between = S.sinceStop * 1000 / max(1, now - S.haltedAt)
    S.hi, S.good = S.rate, min(P.haltCut * S.rate, max(.9 * between, .5 * S.rate))
  else
    S.hi = min(max(seen, .1 * S.rate), S.rate)
    S.good = (now - S.resumed < P.againWithin and P.haltAgain or P.haltCut) * S.hi
  end
  S.good = max(least(), S.good)
  S.mode, S.rate = 'regain', S.good
end

-- Is the stop a long window's? Then what was let through since the stop before, over that time, is the limit.
local function afterStop()
  local stopped = now - S.haltedAt
  S.long = 0
  if S.mode ~= 'free' and stopped > P.longStop and stopped < P.outage and S.sinceResume > 0 then
    S.long = stopped
    local cycle = S.sinceResume * 1000 / max(1, now - max(S.resumed, S.began))
    S.good = max(P.minRate, min(S.good, max(cycle, P.longCut * S.good)))
    S.hi = S.good
    S.mode = 'cruise'
  end
  S.resumed, S.sinceResume, S.ticked = now, 0, now
  if S.mode == 'regain' then go('regain', S.good) elseif S.mode ~= 'free' then cruise() end
end

-- How many refusals within a second stop the fleet.
local function haltAt()
  if letThrough() == 0 and (S.mode == 'ramp' or S.mode == 'free') then return 1 end
  if S.mode == 'ramp' then return P.rampHalt end
  if S.mode == 'free' and not cap then return max(P.rampHalt, .005 * letThrough()) end
  return max(P.haltLeast, P.haltShare * (rate() or 0))
end
