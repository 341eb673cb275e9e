-- KEYS run record. ARGV time (ISO 8601). Notes when the run ended, and returns what is noted: the first time that was.
-- Nothing when the run is on record no more.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('HSETNX', KEYS[1], 'ended_at', ARGV[1])
return redis.call('HGET', KEYS[1], 'ended_at')
