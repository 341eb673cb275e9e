-- The verdict on a refusal of a line, while the Gateway has accepted none.
--
-- KEYS counts, refused lines
-- ARGV the line as 'source:line'; the round in which it was refused before, or ''; refusals of a wrong endpoint; a name
--   of this call that no other call has
-- Returns 'line' (its own fault), 'endpoint' (that many lines refused and none accepted), or the round that the line
-- is to be tried again in. A line is counted once in a round; a new round begins when the endpoint was found wrong.
-- The call that began it may be sent twice: it gets the same answer, and is not counted in the new round.
local known = redis.call('HMGET', KEYS[1], 'accepted', 'endpoint_round', 'endpoint_found_by')
local round = known[2] or '0'
if known[3] == ARGV[4] then return 'endpoint' end
if known[1] or ARGV[2] == round then return 'line' end
redis.call('SADD', KEYS[2], ARGV[1])
if redis.call('SCARD', KEYS[2]) < tonumber(ARGV[3]) then return round end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'endpoint_round', tonumber(round) + 1, 'endpoint_found_by', ARGV[4])
return 'endpoint'
