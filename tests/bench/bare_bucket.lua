-- The least a token bucket in Redis can be: one limit, numbers that may round, no record that a person could read, no refusals,
-- no second bucket. tests/bench measures our script against it.
-- KEYS 1  the bucket      ARGV 1  burst  2  period, ms  3  cost
local key = KEYS[1]
local burst, period, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rate = burst / period
local state = redis.call('HMGET', key, 'tokens', 'at')
local tokens = tonumber(state[1]) or burst
local at = tonumber(state[2]) or now
if now > at then
  tokens = tokens + (now - at) * rate
  if tokens > burst then tokens = burst end
end
local taken = 0
local wait = 0
if tokens >= cost then
  tokens = tokens - cost
  taken = 1
else
  wait = math.ceil((cost - tokens) / rate)
end
redis.call('HSET', key, 'tokens', tokens, 'at', now)
redis.call('PEXPIRE', key, math.ceil((burst - tokens) / rate) + 1000)
return {taken, math.floor(tokens), wait}
