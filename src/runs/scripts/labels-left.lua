-- How many more labels --spend and --spend-per-day allow to be bought now. `src/runs/envelope.ts` shows the same figures.
--
-- Sats are counted when a label's result has them. A task in flight, a line's second one too, counts with the most
-- that a label may cost: the highest price paid to a labeler of this run, times the most labelers of a task of it.
-- The same holds for tasks that failed and may be paid for. Until the run has seen a price of its own, a given price
-- is believed for a tenth of the envelope; without one, one task is out at a time.
--- @include "day.lua"
local MAY_COST = {'result_timeout', 'retries_exhausted', 'task_not_found', 'key_conflict'}
local DEFAULT_LABELERS = 3

local function limitOf(value) return value and value ~= cjson.null and value or nil end

-- Returns how many, and which limit it is: 's' for the run's, 'd' for the day's.
-- A run that asks lines again (`escalates`) keeps room for the second task of each line; `single` asks for one task of a line
-- that has its room already.
local function labelsLeft(policy, counts, failures, labelers, single)
  local spend, perDay = limitOf(policy.spend), limitOf(policy.spendPerDay)
  if not spend and not perDay then return math.huge, 's' end
  local today = costToday()
  local known = redis.call('HMGET', counts, 'cost_sats', 'in_flight', 'shared', 'unpriced', 'bought_again',
    'labeler_sats', 'labelers', today, 'escalating')
  local function n(i) return tonumber(known[i] or 0) end
  local lines = math.max(0, n(2) - math.max(0, n(3)))
  local out, each = lines + n(9), 1
  if policy.escalates and not single then
    out, each = lines + math.max(lines, n(9)), 2
  end
  local lost = n(4) + n(5)
  for _, code in ipairs(MAY_COST) do lost = lost + tonumber(redis.call('HGET', failures, code) or 0) end
  local own = n(6) > 0 and n(6) * math.max(DEFAULT_LABELERS, n(7), labelers) or nil
  local price = own or limitOf(policy.priceSats)

  local function left(limit, paid, taken)
    if not price then return paid < limit and math.max(0, 1 - out) or 0 end
    local most = math.floor((math.floor((limit - paid) / price) - taken) / each)
    if not own then most = math.min(most, math.max(1, math.floor(limit / 10 / price)) - out) end
    return math.max(0, most)
  end
  local ofRun = spend and left(spend, n(1), out + lost) or math.huge
  local ofDay = perDay and left(perDay, n(8), out) or math.huge
  if ofDay < ofRun then return ofDay, 'd' end
  return ofRun, 's'
end
