import type { RedisClient } from '../redis/connection.js';
import type { Answer, Ask } from './ask.js';
import { search } from './search.js';

/**
 * The budget's one script: takes in what calls met, and gives out slots (GCRA: `tat` is when the next slot is due).
 *
 * KEYS[1]  the budget's state: a cmsgpack map that outlives its users by 7 days, so what was learned is remembered
 * ARGV[1]  an `Ask` as JSON
 * returns  an `Answer` as JSON
 *
 * All times are ms of Redis' clock. Publishes on `KEYS[1]:news` whenever waiting processes should ask again at once.
 */
export const script = /* lua */ `
local P = {
  pace = .982,      -- of a known limit: leaves 18 ms of each second to jitter
  joining = .9, joiningFor = 1000, -- a process' first calls are late (new connections, cold code), its next ones are not
  settling = 5000,  -- and its cold code goes on for a while: 429s of that time say nothing of the jitter to come
  guardStep = .012, guardMax = .06, guardHalf = 300000, -- what a 429 within a known limit takes from the pace, for a while
  ahead = 20,       -- how far ahead slots are given out, ms: what a process that stalls can lose of them
  refill = 10,      -- and when to come back for more: this long before the last one is due, ms
  catchUp = 5,      -- how far the pace may lag and still be made up, ms: no burst after idling
  circuitFailures = 20, circuitAfter = 5000, circuitMin = 1000, circuitMax = 30000, probeLease = 40000,
  flagLease = 10000, canaryLease = 2000, pauseMin = 80, pauseMax = 8000, retryAfterMax = 86400000,
  ttl = 604800000,
  start = 8, minRate = .2, noLimit = 20000, cruise = .97, bracket = 1.06, step = .035, probeCost = 8, purseFill = .006,
}
local min, max = math.min, math.max
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = ask.now or (time[1] * 1000 + time[2] / 1000)

local raw = redis.call('GET', KEYS[1])
local S = raw and cmsgpack.unpack(raw) or {}
local fresh = {
  epoch = 1, tat = 0, pausedUntil = 0, pausedAt = 0, pause = 0, dead = 0, canary = 'none', canaryUntil = 0, flows = {},
  command = 0, flag = 0, flagUntil = 0, policy = 0, cap = 0, joinedAt = 0,
  mode = 'free', rate = P.start, lo = 0, hi = 0, hard = 0, sure = false, clean = false, step = P.step, holdUntil = 0,
  events = 0, hits = 0, hitsSince = 0, softened = 0, purse = 1, seen = 0,
  since = now, accepted = 0, throttled = 0, room = 0, ticked = now, resumed = 0, longDead = false,
  roundEnd = 0, roundGrants = 0, roundRoom = 0,
  circuit = false, failed = 0, failedSince = 0, guard = 0, guardedAt = now,
  heldMs = 0, heldTo = now,
}
for name, value in pairs(fresh) do
  if S[name] == nil then S[name] = value end
end

-- How long calls have been held back in all, by pauses and open circuits.
S.heldMs = S.heldMs + max(0, (S.canary ~= 'none' and now or min(now, S.pausedUntil)) - S.heldTo)
S.heldTo = now

-- What limit is known, by priority.
if ask.command then S.command = ask.command end
if ask.policy then S.policy = ask.policy end
if ask.flag and (now >= S.flagUntil or ask.flag <= S.flag) then
  S.flag, S.flagUntil = ask.flag, now + P.flagLease -- of two processes' flags the lower holds, while its process lives
end
local limit, source = 0, 'none'
if S.command > 0 then limit, source = S.command, 'command'
elseif now < S.flagUntil then limit, source = S.flag, 'flag'
elseif S.policy > 0 then limit, source = S.policy, 'header' end
local function guard() return S.guard * 2 ^ (-(now - S.guardedAt) / P.guardHalf) end
if limit ~= S.cap then S.guard = 0 end
if ask.joined then S.joinedAt = now end
local pace = now < S.joinedAt + P.joiningFor and P.joining or P.pace
local cap = limit > 0 and limit * (pace - guard()) or nil

local function rate() -- calls/s allowed now; nil: no limit in force
  if S.mode == 'free' then return cap end
  return cap and min(S.rate, cap) or S.rate
end
${search}
local news = false
if limit ~= S.cap then
  S.cap = limit
  S.mode = 'free'
  if not cap and S.lo > 0 then cruise() end -- back to what was learned before
  S.events, S.tat, news = 0, 0, true
end

-- What calls met.
local opened, reason = 0, 'rate_limited'
local function pauseFor(ms, retryAfter)
  S.pausedUntil = max(S.pausedUntil, now + max(ms, min(retryAfter, P.retryAfterMax)))
  opened, news = S.pausedUntil - now, true
end
if (ask.ok or 0) > 0 then accepted(ask.ok) end
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
    resume()
  else
    S.canary = 'wanted'
  end
end
if ask.exhausted and not cap and now + ask.exhausted > S.pausedUntil + 1000 then
  S.pausedUntil, news = now + min(ask.exhausted, P.retryAfterMax), true
  S.epoch, S.tat = S.epoch + 1, 0
end
for _, hit in ipairs(ask.throttled or {}) do
  S.throttled = S.throttled + hit.n
  S.purse = max(-3 - .04 * (rate() or 0), S.purse - hit.n)
  if hit.epoch < S.epoch then -- of an event already felt
    if hit.retryAfter > 0 and S.canary ~= 'none' and now + hit.retryAfter > S.pausedUntil then
      S.pausedUntil, news = now + min(hit.retryAfter, P.retryAfterMax), true
    end
  elseif hit.canary and S.canary ~= 'none' then
    S.pause = min(P.pauseMax, S.pause * 2)
    S.canary = 'wanted'
    pauseFor(S.pause, hit.retryAfter)
  elseif congested(hit.n, hit.retryAfter > 0) or hit.retryAfter > 0 then
    local dead = S.dead
    local r = rate() or 1
    S.pause = min(1000 + 1000 / r, max(P.pauseMin, 2000 / r) * 2 ^ max(0, S.events - 1))
    if dead > 8 * S.pause then S.pause = .25 * dead end
    S.pause = min(P.pauseMax, S.pause)
    S.epoch, S.canary, S.tat, S.pausedAt = S.epoch + 1, 'wanted', 0, now
    pauseFor(S.pause, hit.retryAfter)
  end
end

-- The circuit: failures alone for so long, whoever met them, and calls go out one at a time until one is answered.
if (ask.good or 0) > 0 then S.failed = 0 end
if (ask.failed or 0) > 0 and S.canary == 'none' and now >= S.pausedUntil then
  if S.failed == 0 then S.failedSince = now end
  S.failed = S.failed + ask.failed
  if S.failed >= P.circuitFailures and now - S.failedSince >= P.circuitAfter then
    S.circuit, S.canary, S.pause, S.epoch, S.tat, S.pausedAt = true, 'wanted', P.circuitMin, S.epoch + 1, 0, now
    reason = 'circuit'
    pauseFor(S.pause, 0)
  end
end

-- Slots. A flow is the calls of one kind of one run. Kinds share evenly, runs of a kind by weight, and only while others
-- want slots too: a flow ahead of its share is held back until those others come for theirs.
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

local function pacedSlots(flow, n, r)
  local T, part = 1000 / r, share(flow)
  local at, given, wait = 0, 0, 0
  while given < n do
    S.tat = max(S.tat, now - P.catchUp)
    flow.tat = max(flow.tat, now - P.catchUp)
    if S.tat > now + P.ahead then
      wait = S.tat - now - P.refill
      break
    end
    if part < 1 and flow.tat > now + P.ahead then
      wait = min(flow.tat - now - P.ahead, P.refill) + 1
      break
    end
    if given == 0 then at = S.tat end
    S.tat = S.tat + T
    flow.tat = min(flow.tat + T / part, now + P.ahead + T / part)
    given = given + 1
  end
  S.roundGrants = S.roundGrants + given
  return { n = given, at = at, step = T, wait = wait }
end

local function none(wait) return { n = 0, at = 0, step = 0, wait = wait } end

local slots, canary = {}, false
if ask.want and #ask.want > 0 then
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
    if now < S.pausedUntil then
      slots[i] = none(S.pausedUntil - now)
    elseif S.canary == 'out' and now < S.canaryUntil then
      slots[i] = none(min(S.canaryUntil - now, 250))
    elseif S.canary ~= 'none' then
      S.canary, S.canaryUntil, canary = 'out', now + (S.circuit and P.probeLease or P.canaryLease), true
      slots[i] = { n = 1, at = now, step = 0, wait = want.n > 1 and 250 or 0 }
    elseif not r then
      slots[i] = { n = want.n, at = now, step = 0, wait = 0 }
    else
      slots[i] = pacedSlots(flow, want.n, r)
    end
    flow.wantUntil = slots[i].n < want.n and now + slots[i].wait + 20 or 0
  end
  for id, flow in pairs(S.flows) do
    if flow.wantUntil < now and flow.tat < now then S.flows[id] = nil end
  end
end

redis.call('SET', KEYS[1], cmsgpack.pack(S), 'PX', P.ttl)
local paused = max(0, S.pausedUntil - now)
if news then
  redis.call('PUBLISH', KEYS[1] .. ':news', cjson.encode({ epoch = S.epoch, pausedFor = paused }))
end
if S.mode ~= 'free' then limit, source = rate(), 'search' end
return cjson.encode({
  now = now, epoch = S.epoch, slots = slots, canary = canary, paced = rate() ~= nil,
  rate = limit, source = source, policy = S.policy, pausedFor = paused, opened = opened,
  mode = S.mode, reason = reason, circuit = S.circuit, heldMs = S.heldMs,
})
`;

export const newsChannel = (key: string) => `${key}:news`;

export type RunScript = (ask: Ask) => Promise<Answer>;

/** The script as a function. Rejects with ioredis' error when Redis cannot be asked. */
export function budgetScript(redis: RedisClient, key: string): RunScript {
  redis.defineCommand('asgBudget', { numberOfKeys: 1, lua: script });
  const command = redis as unknown as { asgBudget(key: string, ask: string): Promise<string> };
  return async (ask) => {
    const answer = JSON.parse(await command.asgBudget(key, JSON.stringify(ask))) as Answer;
    // An empty Lua table is encoded as an object.
    return Array.isArray(answer.slots) ? answer : { ...answer, slots: [] };
  };
}
