-- Ends what reserve-escalation took, when no second answer comes. Either no task was bought now, and it is given
-- back; that of a contested line stays, as another process may be buying it. Or a task may be paid for, and --spend
-- counts it to the end, as it does a label without a price.
--
-- KEYS escalated bits, contested bits, counts
-- ARGV bit, 1 when the task may be paid for
-- Returns 1 when something changed. A second call finds the bit clear.
local paid = ARGV[2] == '1'
if not paid and redis.call('GETBIT', KEYS[2], ARGV[1]) == 1 then return 0 end
if redis.call('SETBIT', KEYS[1], ARGV[1], 0) == 0 then return 0 end
redis.call('HINCRBY', KEYS[3], paid and 'unpriced' or 'bought', paid and 1 or -1)
redis.call('HINCRBY', KEYS[3], 'escalating', -1)
return 1
