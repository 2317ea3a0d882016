-- Counts refusals that were answered without asking. KEYS[1] record; ARGV 1 now ('' = the server's clock), 2 field, 3 window ms,
-- 4 how many more. Returns the count after. The twin of quota::counted.
local now
if ARGV[1] ~= '' then
  now = tonumber(ARGV[1])
else
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local window, more = tonumber(ARGV[3]), tonumber(ARGV[4])
local count, since
local text = redis.call('HGET', KEYS[1], ARGV[2])
if text then count, since = string.match(text, '^(%d+) (%d+)$') end
count, since = tonumber(count), tonumber(since)
if not count or count >= 9007199254740992 or since >= 9007199254740992 or now < since or now - since >= window then count, since = 0, now end
count = math.min(count + more, 9007199254740991)
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f %.0f', count, since))
local ttl = math.max(since + window - now, 1)
if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ttl)) end
return count
