-- KEYS run record. ARGV the record's fields and values. Returns 1 when it was created, 0 when it was there.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
