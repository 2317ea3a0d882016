-- Appends to the last messages of an identity. KEYS 1 messages, a list, the oldest first; ARGV 1 the most that are kept, 2 how long one is
-- kept, ms, 3 now, ms since 1970, 4 how long all are kept where there are as many as can be, ms, then the messages, which begin with their
-- time, in s. Reply: the texts of those that had to go because there are too many, the oldest first.
local call, key, most = redis.call, KEYS[1], ARGV[1] + 0
local length, gone = call('RPUSH', key, unpack(ARGV, 5)), {}
if length > most then
  gone = call('LRANGE', key, 0, length - most - 1)
  call('LTRIM', key, -most, -1)
end
if length >= most then
  call('PEXPIRE', key, math.max(ARGV[2], ARGV[4]))
  return gone
end
local oldest = (ARGV[3] - ARGV[2]) / 1000
while true do
  local first = call('LINDEX', key, 0)
  if not first or (tonumber(first:match('^%d+')) or 0) >= oldest then break end
  call('LPOP', key)
end
call('PEXPIRE', key, ARGV[2])
return gone
