-- The circuit: after only failures for a while, in any process, calls go out one at a time until one is answered.
if (ask.good or 0) > 0 then S.failed = 0 end
if (ask.failed or 0) > 0 and S.canary == 'none' and now >= S.pausedUntil then
  if S.failed == 0 then S.failedSince = now end
  S.failed = S.failed + ask.failed
  if S.failed >= P.circuitFailures and now - S.failedSince >= P.circuitAfter then
    S.circuit, S.canary, S.pause, S.tat, S.pausedAt = true, 'wanted', P.circuitMin, 0, now
    S.epoch = S.epoch + 1
    S.valid, reason = S.epoch, 'circuit'
    pauseFor(S.pause, 0)
  end
end
