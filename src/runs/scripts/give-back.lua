-- Gives back what --budget had reserved for lines whose task had been bought before, by another line or another run.
--
-- KEYS given-back bits, contested bits, counts, shared bits
-- ARGV 1 when the tasks' costs are counted where they were bought, so that --spend reserves nothing for these lines;
--   bit of each line …
-- Returns how many reservations were given back. Each line's goes back once; that of a contested line never does, as
-- another process may have bought the task for the same line a moment before.
local given = 0
for i = 2, #ARGV do
  local bit = ARGV[i]
  if redis.call('GETBIT', KEYS[2], bit) == 0 and redis.call('SETBIT', KEYS[1], bit, 1) == 0 then
    given = given + 1
    if ARGV[1] == '1' then redis.call('SETBIT', KEYS[4], bit, 1) end
  end
end
if given > 0 then
  redis.call('HINCRBY', KEYS[3], 'bought', -given)
  if ARGV[1] == '1' then redis.call('HINCRBY', KEYS[3], 'shared', given) end
end
return given
