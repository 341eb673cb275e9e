-- Which line of a run an idempotency key belongs to: the first that has it. For keys that lines may share.
--
-- KEYS for each line the hash of its key's bucket …
-- ARGV for each line: the key's field; the line as 'source:line:digest of what it asks' …
-- Returns for each line the one that has the key, as it is written there; '' when that is the line itself. A line that
-- comes again finds itself.
local owners = {}
for i, bucket in ipairs(KEYS) do
  local field, line = ARGV[2 * i - 1], ARGV[2 * i]
  local owner = redis.call('HGET', bucket, field)
  if not owner then redis.call('HSET', bucket, field, line) end
  owners[i] = (owner and owner ~= line) and owner or ''
end
return owners
