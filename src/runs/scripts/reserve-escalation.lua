-- Reserves the second task of a line that is asked again: one of --budget, and its price of --spend and --spend-per-day. It
-- has as many labelers as no task had before, and may cost as much.
--
-- KEYS run record, escalated bits, contested bits, counts, failures
-- ARGV bit, labelers of the second task
-- Returns 'f' reserved now; 'a' reserved before, so it may have been bought, and nobody may give it back (contested); the
-- limit that is used up, as `admit` names it: 'b', 's' or 'd'; 'h' the run stands still; 'c' it is cancelled.
--- @include "labels-left.lua"
if redis.call('GETBIT', KEYS[2], ARGV[1]) == 1 then
  redis.call('SETBIT', KEYS[3], ARGV[1], 1)
  return 'a'
end
local known = redis.call('HMGET', KEYS[1], 'state', 'policy')
if known[1] ~= 'running' then return known[1] == 'cancelled' and 'c' or 'h' end
local policy = cjson.decode(known[2])
local labelers = tonumber(ARGV[2])
if policy.budget ~= cjson.null and tonumber(redis.call('HGET', KEYS[4], 'bought') or 0) >= policy.budget then return 'b' end
local labels, envelope = labelsLeft(policy, KEYS[4], KEYS[5], labelers, true)
if labels < 1 then return envelope end
redis.call('SETBIT', KEYS[2], ARGV[1], 1)
redis.call('HINCRBY', KEYS[4], 'bought', 1)
redis.call('HINCRBY', KEYS[4], 'escalating', 1)
if labelers > math.max(DEFAULT_LABELERS, tonumber(redis.call('HGET', KEYS[4], 'labelers') or 0)) then
  redis.call('HSET', KEYS[4], 'labelers', labelers)
end
return 'f'
