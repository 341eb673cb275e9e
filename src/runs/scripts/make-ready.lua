-- A run has all that its parts hold: it may be produced and consumed.
--
-- KEYS lease, run record, counts. ARGV the lease's token, 1 when the Gateway is known to have accepted tasks
-- Returns 0, and writes nothing, when the lease is another's or the run is on record no more.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
if ARGV[2] == '1' then redis.call('HSET', KEYS[3], 'accepted', 1) end
redis.call('HSET', KEYS[2], 'ready', 1)
return 1
