-- Reserves one more task of --budget, --spend and --spend-per-day for a line whose task the Gateway has forgotten. A line
-- has this once. The forgotten task may have been paid for: --spend counts it to the end.
--
-- KEYS run record, bought-again bits, counts, failures, contested bits
-- ARGV bit
-- Returns 'f' reserved now; 'a' reserved before, so the task may have been bought, and nobody may give it back
-- (contested); else the limit that is used up, as `admit` names it: 'b', 's' or 'd'.
--- @include "labels-left.lua"
if redis.call('GETBIT', KEYS[2], ARGV[1]) == 1 then
  redis.call('SETBIT', KEYS[5], ARGV[1], 1)
  return 'a'
end
local policy = cjson.decode(redis.call('HGET', KEYS[1], 'policy'))
local bought = tonumber(redis.call('HGET', KEYS[3], 'bought') or 0)
if policy.budget ~= cjson.null and bought >= policy.budget then return 'b' end
local labels, envelope = labelsLeft(policy, KEYS[3], KEYS[4], 0, true)
if labels < 1 then return envelope end
redis.call('SETBIT', KEYS[2], ARGV[1], 1)
redis.call('HINCRBY', KEYS[3], 'bought', 1)
redis.call('HINCRBY', KEYS[3], 'bought_again', 1)
return 'f'
