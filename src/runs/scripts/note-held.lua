-- Notes how long calls of the key have been held back, while the run went on: the time that the fleet stood still.
--
-- KEYS calls
-- ARGV how long they have been held back in all, ms: a number that grows, and restarts when the key's budget does
-- Returns 1.
local held = tonumber(ARGV[1])
local from, to = unpack(redis.call('HMGET', KEYS[1], 'held_from', 'held_to'))
from, to = tonumber(from), tonumber(to)
if not from then
  redis.call('HSET', KEYS[1], 'held_from', held, 'held_to', held)
elseif held > to then
  redis.call('HSET', KEYS[1], 'held_to', held)
elseif to - held > 60000 then
  -- A value lower by this much is no late answer: the budget began again.
  redis.call('HSET', KEYS[1], 'held_from', held - (to - from), 'held_to', held)
end
return 1
