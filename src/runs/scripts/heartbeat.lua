-- KEYS consumers. ARGV consumer, 1 when its counts are on record, what it does. Notes when it was last there.
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. (time[1] * 1000 + math.floor(time[2] / 1000)) .. ':' .. ARGV[3])
return 1
