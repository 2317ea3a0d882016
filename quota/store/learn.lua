-- Remembers a script of a uid. The twin of learn() in quota/script_memory.cpp: the contract of every Ledger holds them together.
-- KEYS 1 a hash: `first` the time of the uid's first script, and by script when it was last seen, and the token of the question that it was
-- new to; times in s since 1970. ARGV 1 now, ms ('' = the server's clock), 2 script, 3 the most scripts, 4 how long a uid is learnt,
-- 5 when a script is forgotten, 6 when the uid is, s each, 7 token. Reply: 0 known, 1 learnt, 2 new; the uid's first time; its other scripts.
local call, key, name, most = redis.call, KEYS[1], 'script ' .. ARGV[2], ARGV[3] + 0
local now = math.floor((ARGV[1] ~= '' and ARGV[1] / 1000) or call('TIME')[1] + 0)
local learning, forgotten = ARGV[4] + 0, ARGV[5] + 0

local function seen(text)
  local last, token = text:match('^(%d+) ?(%S*)$')
  return tonumber(last) or 0, token
end

local first = tonumber(call('HGET', key, 'first') or '')
if not first then
  first = now
  call('HSET', key, 'first', string.format('%d', now))
end
call('PEXPIRE', key, string.format('%d', ARGV[6] * 1000))
local text = call('HGET', key, name)
local last, token = seen(text or '')
local is_repeated = text and token == ARGV[7]
if text and not is_repeated and now - last < forgotten then
  call('HSET', key, name, string.format('%d', now))
  return {0, first, 0}
end

local others, all = {}, call('HGETALL', key)
for n = 1, #all, 2 do
  if all[n]:sub(1, 7) == 'script ' and not (is_repeated and all[n] == name) then
    local at = seen(all[n + 1])
    if now - at >= forgotten then
      call('HDEL', key, all[n])
    else
      others[#others + 1] = {at, all[n]}
    end
  end
end
table.sort(others, function(one, other) return one[1] < other[1] or one[1] == other[1] and one[2] < other[2] end)
for n = 1, #others - most + 1 do call('HDEL', key, others[n][2]) end
call('HSET', key, name, string.format('%d %s', now, ARGV[7]))
return {now - first < learning and 1 or 2, first, math.min(#others, most - 1)}
