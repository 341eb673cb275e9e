-- Gives back what reserve-again took: nothing was bought. That of a contested line stays: an earlier attempt, or another
-- process, may have bought it.
--
-- KEYS bought-again bits, counts, contested bits
-- ARGV bit
if redis.call('GETBIT', KEYS[3], ARGV[1]) == 1 then return 1 end
if redis.call('SETBIT', KEYS[1], ARGV[1], 0) == 1 then
  redis.call('HINCRBY', KEYS[2], 'bought', -1)
  redis.call('HINCRBY', KEYS[2], 'bought_again', -1)
end
return 1
