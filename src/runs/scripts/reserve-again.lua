-- Reserves one more task of --budget for a line whose task the Gateway has forgotten. A line has this once.
--
-- KEYS run record, bought-again bits, counts
-- ARGV bit
-- Returns 1 when the line may be submitted again, also when this was reserved before; 0 when --budget is used up.
if redis.call('GETBIT', KEYS[2], ARGV[1]) == 1 then return 1 end
local policy = cjson.decode(redis.call('HGET', KEYS[1], 'policy'))
local bought = tonumber(redis.call('HGET', KEYS[3], 'bought') or 0)
if policy.budget ~= cjson.null and bought >= policy.budget then return 0 end
redis.call('SETBIT', KEYS[2], ARGV[1], 1)
redis.call('HINCRBY', KEYS[3], 'bought', 1)
return 1
