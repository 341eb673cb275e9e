-- Changes a run's policy, if it is still the one that the change was made from.
--
-- KEYS run record, changes
-- ARGV the policy in force, the new one, what `tune` has set (all as JSON), a name of this call that no other call
--   has, then each change for the list, as JSON …
-- Returns 1 when the new policy is in force, 0 when another was, -1 when the run is gone.
local record = redis.call('HMGET', KEYS[1], 'policy', 'policy_set_by')
if not record[1] then return -1 end
if record[2] == ARGV[4] then return 1 end
if record[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'policy', ARGV[2], 'tuned', ARGV[3], 'policy_set_by', ARGV[4])
for i = 5, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
return 1
