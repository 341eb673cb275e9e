-- Counts one part of a run that is rebuilt from its parts.
--
-- KEYS lease, parts, then the hashes that count …
-- ARGV the lease's token; the part as JSON; how many counts, and for each the place of its hash among KEYS, field, number;
--   then for each text the same with the text
-- Returns 0, and writes nothing, when the lease is another's: that one rebuilds the run. A second call finds the part on
-- record.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('LINDEX', KEYS[2], -1) == ARGV[2] then return 1 end
local texts = 4 + 3 * tonumber(ARGV[3])
for i = 4, #ARGV, 3 do
  redis.call(i < texts and 'HINCRBY' or 'HSET', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 2])
end
redis.call('RPUSH', KEYS[2], ARGV[2])
return 1
