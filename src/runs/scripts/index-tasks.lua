-- Notes which poll job waits for the delivery of which task, perhaps beside other jobs.
--
-- KEYS for each task the hash of its bucket …
-- ARGV the job, then the tasks …
local job = ARGV[1]
for i, bucket in ipairs(KEYS) do
  local task = ARGV[i + 1]
  local jobs = redis.call('HGET', bucket, task)
  if not jobs then redis.call('HSET', bucket, task, job)
  elseif not string.find(' ' .. jobs .. ' ', ' ' .. job .. ' ', 1, true) then
    redis.call('HSET', bucket, task, jobs .. ' ' .. job)
  end
end
return #KEYS
