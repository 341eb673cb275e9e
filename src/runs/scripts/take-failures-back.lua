-- Takes failures back, for `retry`: each line's bit and counts. A row that is to stay a failure moves into a new part.
--
-- KEYS ended bits, counts, failures, results stream, run record, examples; of gold lines, these
-- ARGV part; its first row that this call takes, from 1; most examples of a code; then for each row:
--   bit, failure code, and the row's text when it is to stay a failure, else ''
-- The record remembers how far into the part `retry` has come, so that each row is taken back once.
local field = 'retry:' .. ARGV[1]
local done = tonumber(redis.call('HGET', KEYS[5], field) or 0)
local number = tonumber(ARGV[2]) - 1
local failed, codes, kept, bytes = 0, {}, {}, 0
for i = 4, #ARGV, 3 do
  number = number + 1
  if number > done then
    if ARGV[i + 2] ~= '' then
      kept[#kept + 1] = ARGV[i + 2]
      bytes = bytes + #ARGV[i + 2] + 1
    else
      redis.call('SETBIT', KEYS[1], ARGV[i], 0)
      failed = failed + 1
      codes[ARGV[i + 1]] = (codes[ARGV[i + 1]] or 0) + 1
    end
  end
end
if number <= done then return 0 end
redis.call('HSET', KEYS[5], field, number)
if #kept > 0 then
  redis.call('XADD', KEYS[4], '*', 'k', 'failed', 'n', #kept, 'd', table.concat(kept, '\n'))
  redis.call('HINCRBY', KEYS[2], 'unflushed_rows', #kept)
  redis.call('HINCRBY', KEYS[2], 'unflushed_bytes', bytes)
end
if failed > 0 then redis.call('HINCRBY', KEYS[2], 'failed', -failed) end
if failed > 0 and KEYS[7] then redis.call('HINCRBY', KEYS[2], 'gold_failed', -failed) end
for code, n in pairs(codes) do
  if redis.call('HINCRBY', KEYS[3], code, -n) <= 0 then
    redis.call('HDEL', KEYS[3], code)
    for at = 1, tonumber(ARGV[3]) do redis.call('HDEL', KEYS[6], at .. ':' .. code) end
  end
end
return failed
