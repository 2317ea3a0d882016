-- Compare and set of one field of a table. KEYS[1] table; ARGV 1 field, 2 '=' and the expected text or '' for absent,
-- 3 '=' and the new text or '' to remove it. Returns whether it was done, 0|1.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if (held and '=' .. held or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], string.sub(ARGV[3], 2)) end
return 1
