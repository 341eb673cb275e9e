-- Notes that a line of the run has bought the task of an idempotency key: '+' behind the key's owner. A line whose
-- submission finds the task there already asks for this, to separate this run's purchases from earlier runs'.
--
-- KEYS the hash of the key's bucket
-- ARGV the key's field
-- Returns 1 when it was not noted before. A second call changes nothing.
local known = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if string.find(known, '+', 1, true) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], known .. '+')
return 1
