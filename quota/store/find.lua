-- The last messages of an identity that one of several texts stands in: who asks decides which of them are meant. KEYS 1 messages, a list,
-- the oldest first; ARGV the texts. Reply: these, the newest first.
local all, found = redis.call('LRANGE', KEYS[1], 0, -1), {}
for n = #all, 1, -1 do
  for _, text in ipairs(ARGV) do
    if all[n]:find(text, 1, true) then
      found[#found + 1] = all[n]
      break
    end
  end
end
return found
