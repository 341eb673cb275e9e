-- KEYS run record. ARGV fields and values. Changes a record that is there; returns 0 when it is gone.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
