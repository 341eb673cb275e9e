-- Gives back what reserve-again took: nothing was bought.
--
-- KEYS bought-again bits, counts
-- ARGV bit
if redis.call('SETBIT', KEYS[1], ARGV[1], 0) == 1 then
  redis.call('HINCRBY', KEYS[2], 'bought', -1)
  redis.call('HINCRBY', KEYS[2], 'bought_again', -1)
end
return 1
