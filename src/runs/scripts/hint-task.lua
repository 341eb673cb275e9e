-- Leaves what a delivery said of a task, for the jobs that wait for it.
--
-- KEYS hints, the hash of the task's bucket. ARGV task, what its delivery said
-- Returns its jobs and whether it was the first hint; nothing when no job waits for the task.
local jobs = redis.call('HGET', KEYS[2], ARGV[1])
if not jobs then return false end
return {jobs, redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])}
