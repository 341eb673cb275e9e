-- KEYS consumers. ARGV ms after which a consumer counts as gone. Returns 1 when the counts of all that are there are on
-- record. Those that are gone are forgotten.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local told, at = string.match(all[i + 1], '(%d):(%d+)')
  -- The clock may have been set back since.
  if math.abs(now - tonumber(at)) > tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], all[i])
  elseif told == '0' then return 0 end
end
return 1
