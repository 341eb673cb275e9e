-- True when this is news: a sender's message of a number that has not been taken from it before. A message that is sent
-- again after a lost answer has the number that it had.
local function isNews(seen, sender, number)
  if tonumber(redis.call('HGET', seen, sender) or 0) >= tonumber(number) then return false end
  redis.call('HSET', seen, sender, number)
  return true
end
