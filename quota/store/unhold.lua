-- Counts held messages less, down to none. KEYS[1] record; ARGV 1 field, 2 how many.
local count = (tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') or 0) - ARGV[2]
if count > 0 then return redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', count)) end
return redis.call('HDEL', KEYS[1], ARGV[1])
