-- Takes admissions back: the Gateway certainly has not accepted a task for these lines.
--
-- KEYS admitted bits, contested bits, counts
-- ARGV bit of each line …
-- Returns how many were taken back. A contested admission stays: another process may be submitting the line.
-- A second call finds the bits clear.
local taken = 0
for _, bit in ipairs(ARGV) do
  if redis.call('GETBIT', KEYS[2], bit) == 0 and redis.call('SETBIT', KEYS[1], bit, 0) == 1 then taken = taken + 1 end
end
if taken > 0 then
  redis.call('HINCRBY', KEYS[3], 'in_flight', -taken)
  redis.call('HINCRBY', KEYS[3], 'bought', -taken)
end
return taken
