-- Opens an ended run again, for the lines that `retry` puts back. A run that has not ended keeps its state: a pause
-- or a cancel that came meanwhile is kept.
--
-- KEYS run record, cursor
-- Returns 1 when the run was opened. The lines read of a cancelled run are its extent: a retry buys no line that was
-- never read.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'completed' and state ~= 'cancelled' then return 0 end
if state == 'cancelled' then redis.call('HSET', KEYS[2], 'produced', 1) end
redis.call('HSET', KEYS[1], 'state', 'running', 'reason', '', 'message', '')
redis.call('HDEL', KEYS[1], 'ended_at', 'summed_up')
return 1
