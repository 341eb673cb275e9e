-- KEYS run record, its sources. ARGV names of the sources as JSON, the record's fields and values …
-- Returns 1 when it was created, 0 when it was there.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
