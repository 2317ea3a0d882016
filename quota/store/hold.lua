-- Counts one more held message, down to the bottom. KEYS[1] record; ARGV 1 field, 2 the most, 3 how long it is kept, ms.
-- Returns the count after, or the most + 1 where there was no room.
local count = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0') or 0
local most = tonumber(ARGV[2])
if count >= most then return most + 1 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', count + 1))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return count + 1
