-- Appends to the last messages of an identity. KEYS 1 messages, a list, the oldest first; ARGV 1 the most that are kept, 2 how long one is
-- kept, ms, 3 now, ms since 1970, then the messages, which begin with their time, in s.
local call, key, oldest = redis.call, KEYS[1], (ARGV[3] - ARGV[2]) / 1000
call('RPUSH', key, unpack(ARGV, 4))
call('LTRIM', key, -ARGV[1], -1)
while true do
  local first = call('LINDEX', key, 0)
  if not first or (tonumber(first:match('^%d+')) or 0) >= oldest then break end
  call('LPOP', key)
end
call('PEXPIRE', key, ARGV[2])
return 1
