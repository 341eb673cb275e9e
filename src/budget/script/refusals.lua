-- The results of calls: 429s, the answer to a trying call, headers.
local function pauseFor(ms, retryAfter)
  S.pausedUntil = max(S.pausedUntil, now + max(ms, min(retryAfter, P.retryAfterMax)))
  opened, news = S.pausedUntil - now, true
end

local function stop(retryAfter)
  S.halts = now - S.resumed < P.againWithin and S.halts + 1 or 1
  S.pause = min(1000, max(P.pauseMin, 1000 / max(1, rate() or 1)) * 2 ^ (S.halts - 1))
  if S.halts > 1 then S.pause = max(S.pause, S.resumed + P.span - now) end -- the rest of a window that is full of a burst
  S.epoch = S.epoch + 1
  S.sinceStop = 0
  S.valid, S.canary, S.tat, S.pausedAt, S.haltedAt = S.epoch, 'wanted', 0, now, now
  pauseFor(S.pause, retryAfter)
end

-- The deepest debt: more would hold back tries for too long.
local function purseLeast() return -1 - P.purseDebt * S.rate end

local function refused(hit)
  note(0, hit.n)
  S.purse = max(purseLeast(), S.purse - hit.n)
  if now < S.unsureUntil then S.purse = max(0, S.purse) end
  if hit.epoch < S.valid then -- of a stop that has been made
    if hit.retryAfter >= P.obeyFrom and S.canary ~= 'none' and now + hit.retryAfter > S.pausedUntil then
      S.pausedUntil, news = now + min(hit.retryAfter, P.retryAfterMax), true
    end
  elseif hit.canary and S.canary ~= 'none' then
    S.pause = min(P.pauseMax, S.pause * 2)
    S.canary = 'wanted'
    pauseFor(S.pause, hit.retryAfter)
  elseif hit.retryAfter >= P.obeyFrom or refusedLately() >= haltAt() then
    if cap and S.mode == 'free' then
      -- Within a known limit it is jitter, on the way or at the server: more room, and only then a search.
      if now >= S.joinedAt + P.settling then S.guard, S.guardedAt = guard() + P.guardStep, now end
      if S.guard > P.guardMax then lower() end
    else
      lower()
    end
    stop(hit.retryAfter)
  elseif hit.epoch == S.epoch and S.mode ~= 'ramp' and (S.mode ~= 'free' or cap) then
    if S.mode == 'free' then
      if now >= S.joinedAt + P.settling then S.guard, S.guardedAt = min(P.guardMax + .001, guard() + P.guardStep), now end
      S.epoch = S.epoch + 1
      if S.guard > P.guardMax then lower(); go('regain', S.good) end
    elseif stillFull() and now - S.fullFrom >= P.span then
      stop(hit.retryAfter) -- the window is a long one
    else
      nudge()
    end
  end
end

S.unused = S.unused + (ask.unused or 0)
if (ask.ok or 0) > 0 then accepted(ask.ok) end
if ask.guess and S.mode == 'ramp' then
  S.good, S.hi = ask.guess, ask.guess
  cruise()
end
if ask.canary and ask.canary.epoch == S.epoch and S.canary == 'out' then
  if S.circuit and ask.canary.failed then
    S.canary, S.pause, reason = 'wanted', min(P.circuitMax, S.pause * 2), 'circuit'
    pauseFor(S.pause, 0)
  elseif ask.canary.ok and S.circuit then
    S.canary, S.tat, S.circuit, S.failed, news = 'none', now, false, 0, true
    S.ticked = now
    if S.mode ~= 'free' then startRound() end
  elseif ask.canary.ok then
    S.canary, S.tat, news = 'none', now, true
    afterStop()
  else
    S.canary = 'wanted'
  end
end
if ask.exhausted and now + ask.exhausted > S.pausedUntil + P.exhaustedSlack then
  S.pausedUntil, news = now + min(ask.exhausted, P.retryAfterMax), true
  S.epoch = S.epoch + 1
  S.valid, S.tat = S.epoch, 0
end
for _, hit in ipairs(ask.throttled or {}) do refused(hit) end
