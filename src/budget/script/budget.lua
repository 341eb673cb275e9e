-- The budget of one key: takes in what calls met, and gives out slots for the next ones.
--
-- KEYS[1]  the budget's state: a cmsgpack map that outlives its users by 7 days, so that what was learned is remembered
-- ARGV[1]  an `Ask` as JSON (ask.ts)
-- answers  an `Answer` as JSON
--
-- One script for both, so that a slot is never given out on old news. Publishes on `KEYS[1]:news` when waiting processes
-- should ask again at once. Harmless when it is sent twice: see state.lua.

--- @include "constants.lua"
--- @include "state.lua"
--- @include "known.lua"
--- @include "evidence.lua"
--- @include "search.lua"
--- @include "setbacks.lua"

local opened, reason, news = 0, 'rate_limited', false
--- @include "quotas.lua"
if limit ~= S.cap then
  S.cap = limit
  S.mode = 'free'
  if not cap and S.good > 0 then cruise() end -- back to what was learned before
  S.tat, news = 0, true
end
--- @include "refusals.lua"
--- @include "circuit.lua"
--- @include "slots.lua"

local TTL = 604800000 -- 7 days: a key that is used weekly keeps what it knows
if opened > 0 and ask.from then S.heard[ask.from].opened = { opened, reason } end
if repeated and S.heard[ask.from].opened then opened, reason = unpack(S.heard[ask.from].opened) end
redis.call('SET', KEYS[1], cmsgpack.pack(S), 'PX', TTL)

local paused = max(0, S.pausedUntil - now)
if news then
  redis.call('PUBLISH', KEYS[1] .. ':news', cjson.encode({ epoch = S.valid, pausedFor = paused }))
end
local allowed, paced = limit, rate() ~= nil or #inForce > 0 -- what is stocked up counts as used
local _, full = quotaLeft()
local quota = full and { perMs = full.ms, calls = full.limit, wait = freeIn(full) } or nil
if S.mode ~= 'free' then allowed, source = rate(), 'search' end
return cjson.encode({
  now = now, epoch = S.epoch, valid = S.valid, slots = slots, canary = canary, paced = paced, late = late,
  rate = allowed, sustained = sustained(), source = source, policy = S.policy, pausedFor = paused, opened = opened,
  mode = S.mode, reason = reason, circuit = S.circuit, heldMs = S.heldMs, quota = quota,
})
