-- What refusals change in the search.
--
-- A single refusal is a `nudge`: a little less, at once, and no call waits. Many within a second are a `halt`: all
-- calls stop, one call at a time tests when they may go on, and `regain` follows.

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
    S.store = S.store and S.area >= P.ofSaved * saved() -- a bucket would have held what it saved
    S.burst = max(S.area, P.burstKept * S.burst)
    S.fine = S.area == 0 and S.fine > P.finest and S.fine / 2 or 1
    -- What a bucket lets through from refusal to refusal is its limit.
    if S.store then S.good = max(least(), min(S.good, betweenRefusals())) end
    cruise()
  elseif S.mode == 'climb' then
    -- Back to the step before. A window is content with that, once it has turned; a bucket whose store is gone refuses on.
    S.hi, S.fine = S.rate, 1
    S.good = max(S.base, min(S.good, letThrough()))
    S.trialFrom, S.trialUntil = now + P.trialFrom, now + trialFor()
    if S.step > P.bigStep then
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
    local kept = (unsure or S.purse < -1 - .5 * P.purseDebt * S.rate) and P.cutUnsure or P.cut
    S.good = max(least(), S.good * max(P.cutMost, min(kept, betweenRefusals() / S.rate)))
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
    S.hi, S.good = cap, P.ofWrongLimit * cap
  elseif S.mode == 'free' or S.mode == 'ramp' then
    S.hi, S.good, S.ofBurst = seen, seen / 2, true
  elseif (S.mode == 'climb' or now < S.trialUntil) and S.good < P.beyond * S.base then
    -- A try went wrong: back to where it began.
    S.burst, S.good, S.trialUntil, S.mode = max(S.area, P.burstKept * S.burst), S.base, 0, 'cruise'
    S.rate = P.margin * S.good
    return
  elseif now - S.resumed < P.span and S.ofBurst then
    -- A refusal this soon says something about the burst before the stop, and nothing about the present rate.
    S.rate, S.ofBurst = S.good, false
    return
  elseif now - S.resumed < P.span then
    -- From stop to stop as much is let through as the limit allows, or less where the stop was long.
    local between = S.sinceStop * 1000 / max(1, now - S.haltedAt)
    S.hi, S.good = S.rate, min(P.haltCut * S.rate, max(P.ofBetween * between, .5 * S.rate))
  else
    S.hi = min(max(seen, P.longCut * S.rate), S.rate)
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
  if S.mode == 'free' and not cap then return max(P.rampHalt, P.freeHaltShare * letThrough()) end
  return max(P.haltLeast, P.haltShare * (rate() or 0))
end
