-- Adds what a process has counted of its Gateway calls to the run's record, once for each message.
--
-- KEYS messages seen, calls, history
-- ARGV sender, the message's number, how many fields are of the calls, then field and count … for calls and history
--- @include "once.lua"
if not isNews(KEYS[1], ARGV[1], ARGV[2]) then return 0 end
local split = 4 + 2 * tonumber(ARGV[3])
for i = 4, #ARGV, 2 do redis.call('HINCRBY', i < split and KEYS[2] or KEYS[3], ARGV[i], ARGV[i + 1]) end
return 1
