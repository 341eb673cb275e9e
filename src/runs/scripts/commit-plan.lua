-- A plan's parts are durable: its entries leave the stream, and the parts are on record, in one step.
--
-- KEYS plan, results stream, parts, counts
-- ARGV the plan exactly as it was published, the first stream id behind it, its bytes and its rows, the parts as JSON …
-- Returns 1 when the plan was still this one. A second call finds no plan.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[2])
redis.call('HINCRBY', KEYS[4], 'unflushed_bytes', -tonumber(ARGV[3]))
redis.call('HINCRBY', KEYS[4], 'unflushed_rows', -tonumber(ARGV[4]))
for i = 5, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
redis.call('DEL', KEYS[1])
return 1
