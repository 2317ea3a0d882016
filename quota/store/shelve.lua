-- Adds to the queue ids that are kept of an identity on one host. KEYS 1 a stream of them, the oldest first, each in its field `m`; ARGV
-- 1 the most that are kept, 2 the oldest, s since 1970, 3 how long the last is kept, ms, then the texts, which begin with their time, in s.
-- Of those that are too old 500 go at a time, for all that Redis serves waits meanwhile; pages leave them out.
local call, key = redis.call, KEYS[1]
for n = 4, #ARGV do call('XADD', key, '*', 'm', ARGV[n]) end
call('XTRIM', key, 'MAXLEN', '=', ARGV[1])
for _ = 1, 500 do
  local first = call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  if not first or (tonumber(first[2][2]:match('^%d+')) or 0) >= ARGV[2] + 0 then break end
  call('XDEL', key, first[1])
end
call('PEXPIRE', key, ARGV[3])
return call('XLEN', key)
