-- Notes lines whose content an earlier run has settled: no task is sent for them.
--
-- KEYS ended bits, unchanged bits, counts
-- ARGV 'unchanged': the lines end by this, and have no row; or 'carried': they end when their row is copied. Then the
--   bit of each line …
-- Returns how many lines were counted; 0 by a second call, and for lines that have ended.
local counted = 0
for i = 2, #ARGV do
  local bit = ARGV[i]
  if redis.call('GETBIT', KEYS[1], bit) == 0 then
    if redis.call('SETBIT', KEYS[2], bit, 1) == 0 then counted = counted + 1 end
    if ARGV[1] == 'unchanged' then redis.call('SETBIT', KEYS[1], bit, 1) end
  end
end
if counted > 0 then redis.call('HINCRBY', KEYS[3], ARGV[1], counted) end
return counted
