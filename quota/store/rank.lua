-- Who has the most in one hour by one measure. KEYS 1 a sorted set; ARGV 1 how many are kept, 2 how long, ms, then for each identity
-- how much it has by now, and its text; of what several daemons send the greater counts, whoever
-- comes last. Reply: the least of those that are kept, where there is no room for another; else 0.
for n = 3, #ARGV, 2 do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[n + 1])
  if not known or known + 0 < ARGV[n] + 0 then redis.call('ZADD', KEYS[1], ARGV[n], ARGV[n + 1]) end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('ZCARD', KEYS[1]) < ARGV[1] + 0 then return 0 end
return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + 0
