-- Moves the producer's cursor over lines that are all in Redis, and counts them.
--
-- KEYS lease, cursor, counts, run record
-- ARGV the lease's token; the place the lines begin at and the one they end at, each as 'source:line:offset';
--   non-blank lines, blank lines, bytes; 1 when everything has been read
-- Returns whether the cursor is where the lines end, as 1 or 0; lines that wait; bytes of rows in no part yet; the
-- run's state. It is 0, and nothing is written, when the lease is another's (the fence) or the cursor is elsewhere. A
-- second call finds the cursor moved, and counts nothing.
local cursor = redis.call('HMGET', KEYS[2], 'source', 'line', 'offset')
local at = (cursor[1] or 0) .. ':' .. (cursor[2] or 0) .. ':' .. (cursor[3] or 0)
local done = 0
if redis.call('GET', KEYS[1]) == ARGV[1] then
  if at == ARGV[2] and at ~= ARGV[3] then
    local source, line, offset = string.match(ARGV[3], '(%d+):(%d+):(%d+)')
    redis.call('HSET', KEYS[2], 'source', source, 'line', line, 'offset', offset)
    redis.call('HINCRBY', KEYS[3], 'lines', ARGV[4])
    redis.call('HINCRBY', KEYS[3], 'skipped', ARGV[5])
    redis.call('HINCRBY', KEYS[3], 'bytes', ARGV[6])
    at = ARGV[3]
  end
  if at == ARGV[3] then
    if ARGV[7] == '1' then redis.call('HSET', KEYS[2], 'produced', 1) end
    done = 1
  end
end
local counts = redis.call('HMGET', KEYS[3], 'lines', 'settled', 'failed', 'in_flight', 'unflushed_bytes',
  'unchanged')
local function n(i) return tonumber(counts[i] or 0) end
return {done, math.max(0, n(1) - n(2) - n(3) - n(4) - n(6)), n(5), redis.call('HGET', KEYS[4], 'state') or 'gone'}
