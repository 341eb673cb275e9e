-- Publishes the entries of the next flush, so that any process that finds the plan can carry it out.
--
-- KEYS plan, results stream
-- ARGV the plan as JSON, the stream id of its first entry
-- Returns the plan in force now: another flusher's, if it was first. Nothing when the entries are gone: another
-- flusher has written them meanwhile, and a plan for them could never be carried out.
local standing = redis.call('GET', KEYS[1])
if standing then return standing end
if #redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 0 then return false end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
