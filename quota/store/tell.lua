-- Grants one caller in a while that it tells, and counts those that come too late. KEYS 1 a hash; ARGV 1 now, ms ('' = the server's clock),
-- 2 how long, ms, 3 how long the count is kept after that, ms. Reply: how many came too late since the last that was granted; -1 to them.
local call, key, lasting = redis.call, KEYS[1], ARGV[2] + 0
local now = ARGV[1] ~= '' and ARGV[1] + 0
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local since = tonumber(call('HGET', key, 'since') or '')
local granted_for = tonumber(call('HGET', key, 'for') or '') or 0
local left_out = tonumber(call('HGET', key, 'left_out') or '') or 0
if since and now >= since and now - since < granted_for then
  call('HSET', key, 'left_out', string.format('%d', left_out + 1))
  return -1
end
call('HSET', key, 'since', string.format('%d', now), 'for', string.format('%d', lasting), 'left_out', '0')
call('PEXPIRE', key, string.format('%d', lasting + ARGV[3]))
return left_out
