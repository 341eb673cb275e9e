-- Gives back what --budget had reserved for lines whose task had been bought before, by another line or another run.
--
-- KEYS given-back bits, contested bits, counts
-- ARGV bit of each line …
-- Returns how many reservations were given back. Each line's goes back once; that of a contested line never does, as
-- another process may have bought the task for the same line a moment before.
local given = 0
for _, bit in ipairs(ARGV) do
  if redis.call('GETBIT', KEYS[2], bit) == 0 and redis.call('SETBIT', KEYS[1], bit, 1) == 0 then given = given + 1 end
end
if given > 0 then redis.call('HINCRBY', KEYS[3], 'bought', -given) end
return given
