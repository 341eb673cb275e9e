-- The key's state, and time as the budget sees it: Redis' clock, but never backwards. The clock may be set back, by
-- hand or by a replica on another host. Then `skew` grows by as much, and every wait on record keeps its length.
local min, max = math.min, math.max
local ask = cjson.decode(ARGV[1])
local raw = redis.call('GET', KEYS[1])
local S = raw and cmsgpack.unpack(raw) or {}

local time = redis.call('TIME')
local now = (ask.now or (time[1] * 1000 + time[2] / 1000)) + (S.skew or 0)
if S.now and now < S.now then
  S.skew = (S.skew or 0) + S.now - now
  now = S.now
end
S.now = now

local fresh = {
  epoch = 1, valid = 1, tat = 0, flows = {}, heard = {},
  -- what limits are known
  command = 0, flag = 0, flagUntil = 0, policy = 0, cap = 0, quotas = {}, joinedAt = 0, guard = 0, guardedAt = now,
  -- pauses and the circuit
  pausedUntil = 0, pausedAt = 0, pause = 0, canary = 'none', canaryUntil = 0, canaryHolder = '',
  circuit = false, failed = 0, failedSince = 0, heldMs = 0, heldTo = now,
  -- the search
  mode = 'free', rate = 0, good = 0, hi = 0, step = 0, fine = 1, proven = false, area = 0, burst = 0, store = false, base = 0, trialFrom = 0, trialUntil = 0, gap = 0, sinceNudge = 0, fullFrom = 0, purse = 0,
  began = 0, hold = 0, resumed = 0, long = 0, halts = 0, haltedAt = 0, nudgedAt = 0, sinceResume = 0, sinceStop = 0, ofBurst = false, unsureUntil = 0,
  roundEnd = 0, ticked = now, fullMs = 0, fullOk = 0, fullAt = now, sinceFull = 0, grants = 0, unused = 0, asks = 0, unmet = 0, room = 0, roundOk = 0, recent = {},
}
for name, value in pairs(fresh) do
  if S[name] == nil then S[name] = value end
end

-- A client sends an ask again when its connection broke before the answer came. Its reports must not count twice.
local repeated = false
if ask.from then
  local before = S.heard[ask.from]
  repeated = before ~= nil and ask.seq <= before.seq
  for from, heard in pairs(S.heard) do
    if now - heard.at > 60000 then S.heard[from] = nil end
  end
  S.heard[ask.from] = { seq = repeated and before.seq or ask.seq, at = now, opened = repeated and before.opened or nil }
  if repeated then
    ask.ok, ask.good, ask.failed, ask.throttled, ask.canary, ask.exhausted, ask.command, ask.unused = nil, nil, nil, nil, nil, nil, nil, nil
  end
end

-- How long calls have been held back in all, by pauses and open circuits: the time that the fleet stood still.
S.heldMs = S.heldMs + max(0, (S.canary ~= 'none' and now or min(now, S.pausedUntil)) - S.heldTo)
S.heldTo = now
