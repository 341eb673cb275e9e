-- Ends lines as results or failures. This is the only place where a line ends (invariant 1). The line's bit decides:
-- only the call that sets the bit adds the line's row to the results stream and counts it. A second call adds nothing.
--
-- KEYS ended bits, admitted bits, contested bits, counts, results stream, failures, labels, history, examples, shared bits,
--   escalated bits; for each line that has a mark, the hash of its key's bucket
-- ARGV most examples of a failure code; the most sats that one labeler was paid for these lines, the most labelers that a
--   task of them had; '' or, as JSON, for each line what else it adds to the counts, by field;
--   then for each line:
--   bit; kind ('settled', 'failed', or 'unbought': failed, and certainly no task was accepted for it);
--   label or failure code; cost in sats, or '' when its result does not tell; the row; fields of the history that count it, with spaces between;
--   the failure's example as JSON, or '';
--   where other lines may have its task: the key's field and a mark of the task. Else ''. The first line that ends with the
--   mark and tells a cost counts it. Behind the key's owner, '+<mark>' says that the cost is counted, '~<mark>' that a line
--   has settled whose result did not tell it
-- Returns one digit for each line: 1 when this call ended it.
--
-- SETBIT comes first: a Redis that is out of memory refuses it before anything is written.
--- @include "day.lua"
local mostExamples, labelerSats, labelers = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- A sum that would overflow would end the script half done.
local mostCost = 2 ^ 53
local ended, out, bytes, left, unbought, cost = {}, 0, 0, 0, 0, 0
local known = redis.call('HMGET', KEYS[4], 'shared', 'escalating')
local sharing, shared, unpriced = tonumber(known[1] or 0) > 0, 0, 0
local asking, escalated = tonumber(known[2] or 0) > 0, 0
local more, also = ARGV[4] ~= '' and cjson.decode(ARGV[4]), {}
local rows = {settled = {}, failed = {}}
local labels, failures, history, examples = {}, {}, {}, {}
-- What is known of the cost of a task that other lines may have as well.
local function costOf(bucket, place)
  local field, mark = string.match(place, '^(%S+) (%S+)$')
  local noted = redis.call('HGET', bucket, field) or ''
  local function note(sign) redis.call('HSET', bucket, field, noted .. sign .. mark) end
  local function has(sign) return string.find(noted, sign .. mark, 1, true) ~= nil end
  return {isCounted = has('+'), isMissed = has('~'), note = note}
end
local function count(tally, name) tally[name] = (tally[name] or 0) + 1 end

local marked = 11
for i = 5, #ARGV, 8 do
  local bit, kind, name = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if ARGV[i + 7] ~= '' then marked = marked + 1 end
  if redis.call('SETBIT', KEYS[1], bit, 1) == 1 then
    ended[#ended + 1] = '0'
  else
    ended[#ended + 1] = '1'
    out = out + 1
    if more then for field, n in pairs(more[#ended]) do also[field] = (also[field] or 0) + n end end
    if asking and redis.call('SETBIT', KEYS[11], bit, 0) == 1 then escalated = escalated + 1 end
    bytes = bytes + #ARGV[i + 4] + 1
    local task = ARGV[i + 7] ~= '' and costOf(KEYS[marked], ARGV[i + 7]) or {}
    local isPriced = ARGV[i + 3] ~= ''
    if isPriced and task.note and not task.isCounted then
      task.note('+')
      if task.isMissed then unpriced = unpriced - 1 end
    end
    if redis.call('GETBIT', KEYS[2], bit) == 1 then
      redis.call('SETBIT', KEYS[2], bit, 0)
      left = left + 1
      local isShared = sharing and redis.call('SETBIT', KEYS[10], bit, 0) == 1
      if isShared then
        shared = shared + 1
      elseif kind == 'settled' and not (isPriced or task.isCounted or task.isMissed) then
        unpriced = unpriced + 1
        if task.note then task.note('~') end
      end
      if kind == 'unbought' and redis.call('GETBIT', KEYS[3], bit) == 0 then unbought = unbought + 1 end
    end
    for field in string.gmatch(ARGV[i + 5], '%S+') do count(history, field) end
    if kind == 'settled' then
      table.insert(rows.settled, ARGV[i + 4])
      count(labels, name)
      cost = cost + (task.isCounted and 0 or tonumber(ARGV[i + 3]) or 0)
    else
      table.insert(rows.failed, ARGV[i + 4])
      count(failures, name)
      if ARGV[i + 6] ~= '' then
        examples[name] = examples[name] or {}
        table.insert(examples[name], ARGV[i + 6])
      end
    end
  end
end
if out == 0 then return table.concat(ended) end
cost = math.min(cost, mostCost - tonumber(redis.call('HGET', KEYS[4], 'cost_sats') or 0))

for kind, some in pairs(rows) do
  if #some > 0 then
    redis.call('XADD', KEYS[5], '*', 'k', kind, 'n', #some, 'd', table.concat(some, '\n'))
    redis.call('HINCRBY', KEYS[4], kind, #some)
  end
end
redis.call('HINCRBY', KEYS[4], 'unflushed_rows', out)
redis.call('HINCRBY', KEYS[4], 'unflushed_bytes', bytes)
if left > 0 then redis.call('HINCRBY', KEYS[4], 'in_flight', -left) end
if shared > 0 then redis.call('HINCRBY', KEYS[4], 'shared', -shared) end
if unpriced ~= 0 then redis.call('HINCRBY', KEYS[4], 'unpriced', unpriced) end
if unbought > 0 then redis.call('HINCRBY', KEYS[4], 'bought', -unbought) end
for field, n in pairs(also) do
  local most = mostCost - tonumber(redis.call('HGET', KEYS[4], field) or 0)
  redis.call('HINCRBY', KEYS[4], field, string.format('%.0f', math.min(n, most)))
end
if escalated > 0 then redis.call('HINCRBY', KEYS[4], 'escalating', -escalated) end
for label, n in pairs(labels) do redis.call('HINCRBY', KEYS[7], label, n) end
for code, n in pairs(failures) do
  local all = redis.call('HINCRBY', KEYS[6], code, n)
  for at, example in ipairs(examples[code] or {}) do
    local number = all - n + at
    if number <= mostExamples then redis.call('HSET', KEYS[9], number .. ':' .. code, example) end
  end
end
for field, n in pairs(history) do redis.call('HINCRBY', KEYS[8], field, n) end
if cost > 0 then
  local sats = string.format('%.0f', cost)
  redis.call('HINCRBY', KEYS[4], 'cost_sats', sats)
  redis.call('HINCRBY', KEYS[4], costToday(), sats)
end
for field, most in pairs({labeler_sats = labelerSats, labelers = labelers}) do
  if most > tonumber(redis.call('HGET', KEYS[4], field) or 0) then redis.call('HSET', KEYS[4], field, most) end
end
return table.concat(ended)
