-- Adds what a process has seen of settle times, once for each message, and returns all fields and counts.
--
-- KEYS messages seen, sightings
-- ARGV sender, the message's number, most results to keep, results among what is added, field, count, field, count …
-- Past the limit all counts are halved: what is old fades. Halves are kept: the ages that few tasks reach hold one or
-- two results each, and rounding would take them away.
--- @include "once.lua"
if isNews(KEYS[1], ARGV[1], ARGV[2]) then
  for i = 5, #ARGV, 2 do redis.call('HINCRBYFLOAT', KEYS[2], ARGV[i], ARGV[i + 1]) end
  local sum = redis.call('HINCRBYFLOAT', KEYS[2], 'sum', ARGV[4])
  if tonumber(sum) > tonumber(ARGV[3]) then
    local all = redis.call('HGETALL', KEYS[2])
    redis.call('DEL', KEYS[2])
    for i = 1, #all, 2 do
      local half = all[i + 1] / 2
      if half > .01 then redis.call('HSET', KEYS[2], all[i], half) end
    end
  end
end
return redis.call('HGETALL', KEYS[2])
