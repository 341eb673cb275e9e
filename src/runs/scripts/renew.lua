-- KEYS lease. ARGV token, ms. Returns 1 when the lease is (still) ours and was extended.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
