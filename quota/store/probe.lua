-- Finds out whether this server can judge messages: does all that judging does, on a key that is forgotten at once. KEYS[1] key.
redis.call('HMGET', KEYS[1], 'probe')
redis.call('HGET', KEYS[1], 'probe')
redis.call('HSET', KEYS[1], 'probe', '1')
redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], '1')
return redis.call('TIME')
