-- Who has the most in one hour by one measure. KEYS 1 a sorted set; ARGV 1 how many are kept, 2 how long, ms, then for each identity
-- how much it has by now, and its text. Reply: the least of those that are kept, where there is no room for another; else 0.
redis.call('ZADD', KEYS[1], unpack(ARGV, 3))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('ZCARD', KEYS[1]) < ARGV[1] + 0 then return 0 end
return redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] + 0
