-- Writes a block of a bit map of a run that is rebuilt.
--
-- KEYS lease, bit map. ARGV the lease's token, where the block begins (bytes), its bytes
-- Returns 0, and writes nothing, when the lease is another's: lines may have ended there since.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SETRANGE', KEYS[2], ARGV[2], ARGV[3])
return 1
