-- Sets a run's counts right, when a sweep has found every line's bit set and the counts do not say so.
--
-- KEYS lease, counts, parts, results stream, admitted bits of each source …; then, of a run with --since, unchanged bits
--   of each source …
-- ARGV the lease's token, how many non-blank lines the manifest has; then, of a run with --since, how many sources there
--   are, and what its unchanged lines are counted as: 'unchanged', or 'carried', which have rows
-- Rows in parts and in the stream are what has ended, and unchanged lines. Returns how many there are; -1, and changes
-- nothing, when the lease is another's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local rows = {settled = 0, failed = 0}
for _, part in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
  local kind = string.find(part, '"name":"results-', 1, true) and 'settled' or 'failed'
  rows[kind] = rows[kind] + cjson.decode(part).rows
end
local unflushed, from = 0, '-'
while true do
  local page = redis.call('XRANGE', KEYS[4], from, '+', 'COUNT', 100)
  for _, entry in ipairs(page) do
    rows[entry[2][2]] = rows[entry[2][2]] + tonumber(entry[2][4])
    unflushed = unflushed + tonumber(entry[2][4])
    from = '(' .. entry[1]
  end
  if #page < 100 then break end
end
local sources = tonumber(ARGV[3] or #KEYS - 4)
local inFlight, unchanged = 0, 0
for i = 5, 4 + sources do inFlight = inFlight + redis.call('BITCOUNT', KEYS[i]) end
for i = 5 + sources, #KEYS do unchanged = unchanged + redis.call('BITCOUNT', KEYS[i]) end
if ARGV[4] then redis.call('HSET', KEYS[2], ARGV[4], unchanged) end
local ended = rows.settled + rows.failed + (ARGV[4] == 'unchanged' and unchanged or 0)
-- Lines behind the cursor may have been queued by a producer that was killed: they count once they have ended.
local lines = math.max(tonumber(ARGV[2]), ended)
redis.call('HSET', KEYS[2], 'lines', lines, 'settled', rows.settled, 'failed', rows.failed,
  'in_flight', inFlight, 'unflushed_rows', unflushed)
return ended
