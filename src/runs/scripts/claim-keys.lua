-- Finds the line of a run that an idempotency key belongs to: the first that has it. For keys that lines may share.
--
-- KEYS for each line the hash of its key's bucket …
-- ARGV for each line: the key's field; the line as 'source:line:digest of what it asks' …
-- Returns for each line the one that has the key, as it is written there; '' when that is the line itself. A line
-- that comes again finds itself. The notes of `note-bought.lua` and `end-lines.lua` may follow the line.
local owners = {}
for i, bucket in ipairs(KEYS) do
  local field, line = ARGV[2 * i - 1], ARGV[2 * i]
  local known = redis.call('HGET', bucket, field) or ''
  local owner = string.match(known, '^[^+]*')
  if owner == '' then redis.call('HSET', bucket, field, line .. known) end
  owners[i] = owner ~= line and owner or ''
end
return owners
