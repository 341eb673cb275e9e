-- Removes a plan that cannot be carried out any more: entries leave the stream from its head, and its first has left.
--
-- KEYS plan, results stream
-- ARGV the plan exactly as it was published, the stream id of its first entry
-- Returns 1 when it was removed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if #redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 1 then return 0 end
return redis.call('DEL', KEYS[1])
