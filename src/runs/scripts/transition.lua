-- Moves a run to another state, if its present one allows it.
--
-- KEYS run record
-- ARGV allowed former states (comma-separated), new state, reason, message, time (ISO 8601)
-- Returns the state after the call; a record whose state is not among the former ones stays as it is.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(',' .. ARGV[1] .. ',', ',' .. state .. ',', 1, true) then return state or 'gone' end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'reason', ARGV[3], 'message', ARGV[4], 'changed_at', ARGV[5])
if ARGV[2] == 'completed' then redis.call('HSETNX', KEYS[1], 'ended_at', ARGV[5]) end
return ARGV[2]
