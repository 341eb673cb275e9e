-- Moves a run to another state, if its present one allows it.
--
-- KEYS run record
-- ARGV allowed former states (comma-separated), new state, reason, message, time (ISO 8601); the reason that it must be
--   blocked for, or ''
-- Returns the state after the call; a record that may not be moved stays as it is.
local record = redis.call('HMGET', KEYS[1], 'state', 'reason')
local state = record[1]
if not state or not string.find(',' .. ARGV[1] .. ',', ',' .. state .. ',', 1, true) then return state or 'gone' end
if ARGV[6] ~= '' and (state ~= 'blocked' or record[2] ~= ARGV[6]) then return state end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'reason', ARGV[3], 'message', ARGV[4], 'changed_at', ARGV[5])
if ARGV[2] == 'completed' then redis.call('HSETNX', KEYS[1], 'ended_at', ARGV[5]) end
return ARGV[2]
