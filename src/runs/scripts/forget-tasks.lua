-- A job waits for these tasks no more. The last job of a task takes the task and its hint with it.
--
-- KEYS hints, then for each task the hash of its bucket …
-- ARGV the job, then the tasks …
local job = ARGV[1]
for i = 2, #KEYS do
  local bucket, task = KEYS[i], ARGV[i]
  local left = {}
  for each in string.gmatch(redis.call('HGET', bucket, task) or '', '%S+') do
    if each ~= job then left[#left + 1] = each end
  end
  if #left > 0 then
    redis.call('HSET', bucket, task, table.concat(left, ' '))
  else
    redis.call('HDEL', KEYS[1], task)
    redis.call('HDEL', bucket, task)
  end
end
return 1
