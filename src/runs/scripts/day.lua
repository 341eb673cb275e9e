-- The field of the counts that holds what was paid today: days go by Redis' clock, in UTC.
local function costToday() return 'cost_day:' .. math.floor(redis.call('TIME')[1] / 86400) end
