/**
 * A run's scripts: whatever must happen in one step. Each names its keys and arguments; `scripts.ts` calls them.
 */

/**
 * KEYS ended bits, counts, results stream, failures, labels, admitted bits, history, examples
 * ARGV bit, 'settled' | 'failed', the record as JSON, label or failure code, cost in sats, failure's example as JSON,
 *   most examples of a code, fields of the history that count the line …
 * Returns 1 when this call ended the line, 0 when it had ended before.
 *
 * The only place where a line ends (invariant 1). SETBIT comes first: a Redis that is out of memory refuses it
 * before anything is written.
 */
export const SETTLE = /* lua */ `
if redis.call('SETBIT', KEYS[1], ARGV[1], 1) == 1 then return 0 end
redis.call('XADD', KEYS[3], '*', 'k', ARGV[2], 'd', ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
redis.call('HINCRBY', KEYS[2], 'unflushed_bytes', #ARGV[3] + 1)
if ARGV[2] == 'settled' then
  redis.call('HINCRBY', KEYS[5], ARGV[4], 1)
  redis.call('HINCRBY', KEYS[2], 'cost_sats', ARGV[5])
else
  local n = redis.call('HINCRBY', KEYS[4], ARGV[4], 1)
  if n <= tonumber(ARGV[7]) then redis.call('HSET', KEYS[8], n .. ':' .. ARGV[4], ARGV[6]) end
end
for i = 8, #ARGV do redis.call('HINCRBY', KEYS[7], ARGV[i], 1) end
if redis.call('GETBIT', KEYS[6], ARGV[1]) == 1 then
  redis.call('SETBIT', KEYS[6], ARGV[1], 0)
  redis.call('HINCRBY', KEYS[2], 'in_flight', -1)
end
return 1`;

/** One more of `--budget`, before the call that may buy it; false when all of it has been bought. */
const reserve = /* lua */ `
local function reserve(policy, counts)
  if policy.budget ~= cjson.null and tonumber(redis.call('HGET', counts, 'bought') or 0) >= policy.budget then return false end
  redis.call('HINCRBY', counts, 'bought', 1)
  return true
end`;

/**
 * KEYS run record, ended bits, admitted bits, counts
 * ARGV bit
 * Returns 'fresh' (go on), 'again' (go on: it may have been bought before), 'ended', 'full', 'budget', or the run's
 * state when that is not running. A line admitted before may always go on: what was paid for must come to an end.
 * The limits are those on record: a process may not have heard yet that they were changed.
 */
export const ADMIT = /* lua */ `
${reserve}
if redis.call('GETBIT', KEYS[2], ARGV[1]) == 1 then return 'ended' end
local state = redis.call('HGET', KEYS[1], 'state')
local again = redis.call('GETBIT', KEYS[3], ARGV[1]) == 1
if state == 'cancelled' and again then return 'again' end
if state ~= 'running' then return state or 'gone' end
if again then return 'again' end
local policy = cjson.decode(redis.call('HGET', KEYS[1], 'policy'))
if tonumber(redis.call('HGET', KEYS[4], 'in_flight') or 0) >= policy.maxInFlight then return 'full' end
if not reserve(policy, KEYS[4]) then return 'budget' end
redis.call('SETBIT', KEYS[3], ARGV[1], 1)
redis.call('HINCRBY', KEYS[4], 'in_flight', 1)
return 'fresh'`;

/** KEYS run record, counts. For a task that is bought anew: its line has been admitted. Returns 1 when it may be. */
export const RESERVE = /* lua */ `
${reserve}
return reserve(cjson.decode(redis.call('HGET', KEYS[1], 'policy')), KEYS[2]) and 1 or 0`;

/**
 * KEYS admitted bits, counts. ARGV bit. Takes an admission back: the Gateway certainly did not accept the task.
 */
export const UNADMIT = /* lua */ `
if redis.call('SETBIT', KEYS[1], ARGV[1], 0) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], 'in_flight', -1)
redis.call('HINCRBY', KEYS[2], 'bought', -1)
return 1`;

/**
 * KEYS lease, cursor, counts, submit queue's wait, submit queue's delayed
 * ARGV token, source, line, offset, lines, skipped, bytes, 1 when everything has been read
 * Returns the submit queue's depth, or -1 when the lease is another's: then nothing is written (the fence).
 */
export const CHECKPOINT = /* lua */ `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('HSET', KEYS[2], 'source', ARGV[2], 'line', ARGV[3], 'offset', ARGV[4])
redis.call('HINCRBY', KEYS[3], 'lines', ARGV[5])
redis.call('HINCRBY', KEYS[3], 'skipped', ARGV[6])
redis.call('HINCRBY', KEYS[3], 'bytes', ARGV[7])
if ARGV[8] == '1' then redis.call('HSET', KEYS[2], 'produced', 1) end
return redis.call('LLEN', KEYS[4]) + redis.call('ZCARD', KEYS[5])`;

/** KEYS lease. ARGV token, ms. Returns 1 when the lease is (still) ours and was extended. */
export const RENEW = /* lua */ `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** KEYS lease. ARGV token. */
export const RELEASE = /* lua */ `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** KEYS run record. ARGV the record's fields and values. Returns 1 when it was created, 0 when it was there. */
export const CREATE = /* lua */ `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1`;

/**
 * KEYS run record. ARGV allowed former states (comma-separated), new state, reason, message, time (ISO 8601)
 * Returns the state after the call; a record whose state is not among the former ones stays as it is.
 */
export const TRANSITION = /* lua */ `
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(',' .. ARGV[1] .. ',', ',' .. state .. ',', 1, true) then return state or 'gone' end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'reason', ARGV[3], 'message', ARGV[4], 'changed_at', ARGV[5])
if ARGV[2] == 'completed' then redis.call('HSETNX', KEYS[1], 'ended_at', ARGV[5]) end
return ARGV[2]`;

/**
 * KEYS plan, results stream, parts, counts
 * ARGV the plan exactly as it was published, the first stream id behind it, its bytes in the stream, the parts as JSON …
 * Returns 1 when the plan was still this one: its entries leave the stream and its parts are on record in one step.
 */
export const COMMIT_PLAN = /* lua */ `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[2])
redis.call('HINCRBY', KEYS[4], 'unflushed_bytes', -tonumber(ARGV[3]))
for i = 4, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
redis.call('DEL', KEYS[1])
return 1`;

/**
 * KEYS ended bits, counts, failures, results stream, run record, examples
 * ARGV bit, failure code, the row when it is to stay a failure (else ''), part, row's number in the part, from 1,
 *   most examples of a code
 * Takes a failure back, once per row of a part (the record remembers how far it got), or moves it into a new part.
 */
export const UNFAIL = /* lua */ `
local field = 'retry:' .. ARGV[4]
if tonumber(redis.call('HGET', KEYS[5], field) or 0) >= tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[5], field, ARGV[5])
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[4], '*', 'k', 'failed', 'd', ARGV[3])
  redis.call('HINCRBY', KEYS[2], 'unflushed_bytes', #ARGV[3] + 1)
  return 0
end
redis.call('SETBIT', KEYS[1], ARGV[1], 0)
redis.call('HINCRBY', KEYS[2], 'failed', -1)
if redis.call('HINCRBY', KEYS[3], ARGV[2], -1) <= 0 then
  redis.call('HDEL', KEYS[3], ARGV[2])
  for n = 1, tonumber(ARGV[6]) do redis.call('HDEL', KEYS[6], n .. ':' .. ARGV[2]) end
end
return 1`;

/** KEYS consumers. ARGV consumer, 1 when its counts are on record, its calls per second */
export const ATTEND = /* lua */ `
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. (time[1] * 1000 + math.floor(time[2] / 1000)) .. ':' .. ARGV[3])
return 1`;

/** KEYS consumers. ARGV ms after which a consumer counts as gone. Returns 1 when those that are there have all told. */
export const ALL_TOLD = /* lua */ `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local told, at = string.match(all[i + 1], '(%d):(%d+)')
  if now - tonumber(at) > tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], all[i])
  elseif told == '0' then return 0 end
end
return 1`;

/**
 * KEYS sightings of settle times. ARGV most results to keep, results among what is added, field, count, field, count …
 * Adds counts and returns all fields and counts. Past the limit all are halved: what is old fades. Halves are kept: the
 * ages that few tasks reach hold one or two results each, and rounding would take them away.
 */
export const LEARN = /* lua */ `
for i = 3, #ARGV, 2 do redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1]) end
local sum = redis.call('HINCRBYFLOAT', KEYS[1], 'sum', ARGV[2])
if tonumber(sum) > tonumber(ARGV[1]) then
  local all = redis.call('HGETALL', KEYS[1])
  redis.call('DEL', KEYS[1])
  for i = 1, #all, 2 do
    local half = all[i + 1] / 2
    if half > .01 then redis.call('HSET', KEYS[1], all[i], half) end
  end
end
return redis.call('HGETALL', KEYS[1])`;

/** KEYS tasks. ARGV task, job. The job waits for the task's delivery, perhaps beside others. */
export const INDEX_TASK = /* lua */ `
local jobs = redis.call('HGET', KEYS[1], ARGV[1])
if not jobs then return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
if string.find(' ' .. jobs .. ' ', ' ' .. ARGV[2] .. ' ', 1, true) then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], jobs .. ' ' .. ARGV[2])`;

/** KEYS tasks, hints. ARGV task, job. The last job takes the task and its hint with it. */
export const FORGET_TASK = /* lua */ `
local left = {}
for job in string.gmatch(redis.call('HGET', KEYS[1], ARGV[1]) or '', '%S+') do
  if job ~= ARGV[2] then left[#left + 1] = job end
end
if #left > 0 then return redis.call('HSET', KEYS[1], ARGV[1], table.concat(left, ' ')) end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])`;

/** KEYS tasks, hints. ARGV task, what its delivery said. Returns its jobs and whether it was the first hint; or nil. */
export const HINT_TASK = /* lua */ `
local jobs = redis.call('HGET', KEYS[1], ARGV[1])
if not jobs then return false end
return {jobs, redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])}`;
