-- Appends to the last messages of an identity. KEYS 1 messages, a list, the oldest first; ARGV 1 the most that are kept, 2 how many of them
-- may be refused ones, 3 how long one is kept, ms, 4 now, ms since 1970, 5 how long all are kept where there are as many as can be, ms, then
-- the messages, which begin with their time, in s, and their verdict. Reply: the texts of those that had to go because there are too many,
-- the oldest first, without refused ones.
local call, key, most = redis.call, KEYS[1], ARGV[1] + 0
local is_refusal = {tempfail = true, reject = true, discard = true}

local function refused(text) return is_refusal[text:match('^%d+\t(%l*)')] end

-- Those that may not stay are the oldest of them.
local function without_refusals(surplus)
  local kept = {}
  for _, text in ipairs(call('LRANGE', key, 0, -1)) do
    if surplus > 0 and refused(text) then surplus = surplus - 1 else kept[#kept + 1] = text end
  end
  call('DEL', key)
  for n = 1, #kept, 1000 do call('RPUSH', key, unpack(kept, n, math.min(n + 999, #kept))) end
  return #kept
end

local length, gone, more = call('RPUSH', key, unpack(ARGV, 6)), {}, 0
for n = 6, #ARGV do
  if refused(ARGV[n]) then more = more + 1 end
end
if more > 0 then
  local refusals = 0
  for _, text in ipairs(call('LRANGE', key, 0, -1)) do
    if refused(text) then refusals = refusals + 1 end
  end
  if refusals > ARGV[2] + 0 then length = without_refusals(refusals - ARGV[2]) end
end
if length > most then
  gone = call('LRANGE', key, 0, length - most - 1)
  call('LTRIM', key, -most, -1)
end
if length >= most then
  call('PEXPIRE', key, math.max(ARGV[3], ARGV[5]))
  return gone
end
local oldest = (ARGV[4] - ARGV[3]) / 1000
while true do
  local first = call('LINDEX', key, 0)
  if not first or (tonumber(first:match('^%d+')) or 0) >= oldest then break end
  call('LPOP', key)
end
call('PEXPIRE', key, ARGV[3])
return gone
