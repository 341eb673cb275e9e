-- Opens lines again that pass for ended and have no row: what ended them was lost. They are read and queued once more.
--
-- KEYS lease, ended bits. ARGV the lease's token, bit of each line …
-- Returns how many lines were opened; 0 when the lease is another's, or by a second call.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local opened = 0
for i = 2, #ARGV do opened = opened + redis.call('SETBIT', KEYS[2], ARGV[i], 0) end
return opened
