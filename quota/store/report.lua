-- Keeps what a host says of an order, as merged() does (quota/queue_order.hpp). KEYS 1 hash, host -> report, words with tabs between: time,
-- state, five counts, error, what was skipped; ARGV 1 host, 2 the report, 3 how long the hash is kept, ms. Returns what is kept of the
-- report now; nothing where the host has ended the order.
local function parts(text) return (text or ''):match('^(%d+)\t(%a+)(\t%d+\t%d+\t%d+\t%d+\t%d+\t)([^\t]*)(.*)$') end
local text = ARGV[2]
local _, state, _, error = parts(redis.call('HGET', KEYS[1], ARGV[1]))
if state == 'done' then return false end
if state == 'failed' then
  local at, next_state, counts, _, skips = parts(text)
  if not at or next_state == 'running' then return false end
  text = at .. '\t' .. state .. counts .. error .. skips
end
redis.call('HSET', KEYS[1], ARGV[1], text)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return text
