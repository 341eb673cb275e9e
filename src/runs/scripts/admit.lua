-- Which lines of a chunk may be submitted now. The limits are those on record: a process may not know of a change.
--
-- KEYS run record, ended bits, admitted bits, contested bits, counts, given-back bits, shared bits, failures
-- ARGV most labelers that one of the lines asks for, 0 when none says; bit of each line …
-- Returns the run's state, or 'gone', and one letter for each line:
--   f fresh: admitted now, and a task of --budget reserved for it
--   a again: admitted before, so it may have been bought before; whatever was paid for must come to an end
--   e ended, or the run is complete
--   w no room in the in-flight window    b --budget is used up
--   s no room left within --spend        d none within --spend-per-day, today
--   h the run stands still               c the run is cancelled, and the line was never admitted
--
-- A second call answers 'a' where the first answered 'f': the line's reservation stays taken, and is counted once. An
-- admission that was answered with 'a' is contested: two processes may have the line, so none may take it back.
--- @include "labels-left.lua"
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'gone', ''} end
local goes = state == 'running'
-- Leftovers of a complete run need no work.
local waits = state == 'completed' and 'e' or 'h'
local labelers = tonumber(ARGV[1])
local room, left, labels, envelope = 0, 0, 0, 's'
if goes then
  local policy = cjson.decode(redis.call('HGET', KEYS[1], 'policy'))
  room = policy.maxInFlight - tonumber(redis.call('HGET', KEYS[5], 'in_flight') or 0)
  left = policy.budget == cjson.null and math.huge or policy.budget - tonumber(redis.call('HGET', KEYS[5], 'bought') or 0)
  labels, envelope = labelsLeft(policy, KEYS[5], KEYS[8], labelers)
end

local verdicts, fresh = {}, 0
for i = 1, #ARGV - 1 do
  local bit = ARGV[i + 1]
  if redis.call('GETBIT', KEYS[2], bit) == 1 then
    verdicts[i] = 'e'
  elseif redis.call('GETBIT', KEYS[3], bit) == 1 then
    if goes or state == 'cancelled' then
      redis.call('SETBIT', KEYS[4], bit, 1)
      verdicts[i] = 'a'
    else
      verdicts[i] = waits
    end
  elseif not goes then
    verdicts[i] = state == 'cancelled' and 'c' or waits
  elseif fresh >= room then
    verdicts[i] = 'w'
  elseif fresh >= left then
    verdicts[i] = 'b'
  elseif fresh >= labels then
    verdicts[i] = envelope
  else
    redis.call('SETBIT', KEYS[3], bit, 1)
    if redis.call('GETBIT', KEYS[6], bit) == 1 then
      redis.call('SETBIT', KEYS[6], bit, 0)
      redis.call('SETBIT', KEYS[7], bit, 0)
    end
    fresh = fresh + 1
    verdicts[i] = 'f'
  end
end
if fresh > 0 then
  redis.call('HINCRBY', KEYS[5], 'in_flight', fresh)
  redis.call('HINCRBY', KEYS[5], 'bought', fresh)
  if labelers > math.max(DEFAULT_LABELERS, tonumber(redis.call('HGET', KEYS[5], 'labelers') or 0)) then
    redis.call('HSET', KEYS[5], 'labelers', labelers)
  end
end
return {state, table.concat(verdicts)}
