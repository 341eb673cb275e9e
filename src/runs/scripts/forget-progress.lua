-- Clears what a rebuild that was cut off had counted, so that it starts over.
--
-- KEYS lease, then what to clear … ARGV the lease's token
-- Returns 0, and clears nothing, when the lease is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', unpack(KEYS, 2))
return 1
