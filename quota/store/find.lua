-- The last messages of an identity that a text stands in: who asks decides which of them are meant. KEYS 1 messages, a list, the oldest
-- first; ARGV 1 the text. Reply: these, the newest first.
local all, found = redis.call('LRANGE', KEYS[1], 0, -1), {}
for n = #all, 1, -1 do
  if all[n]:find(ARGV[1], 1, true) then found[#found + 1] = all[n] end
end
return found
