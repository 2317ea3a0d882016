-- Adds to what is kept of an identity. The twin of add() in quota/history.cpp, whose texts it reads and writes: the contract of
-- every Archive holds them together.
--
-- KEYS  1  history, a hash
-- ARGV  1  now, ms since 1970
--       2  how long hours are kept, ms
--       3  how long five minutes are kept, ms
--       4  the most networks
--       5  the number of tallies, by time; for each of them follow
--          five minutes since 1970, tally
--       then the number of networks, the newest first; for each of them follow
--          network, last in s since 1970, messages
--       then, where there are tallies, when the first message was sent, s since 1970
-- Reply: for each hour that was added to: its number, its tally, how many networks were seen since it began.

local call, format = redis.call, string.format
local key, now = KEYS[1], ARGV[1] + 0
local most = 9007199254740991

local function sum(one, other)
  one = one + other
  if one > most then return most end
  return one
end

-- A tally is six numbers: messages sent, refused, held, and recipients likewise.
local function numbers(text)
  local all, places = {0, 0, 0, 0, 0, 0}, 0
  for word in (text .. ','):gmatch('(%d*),') do
    places = places + 1
    if places <= 6 then all[places] = math.min(tonumber(word) or 0, most) end
  end
  if places <= 3 then all[4], all[5], all[6] = all[1], all[2], all[3] end
  return all
end

local function tally_text(all)
  local text, commas = '', 0
  local last = 6
  if all[1] == all[4] and all[2] == all[5] and all[3] == all[6] then last = 3 end
  for place = 1, last do
    if all[place] > 0 then text, commas = text .. (','):rep(commas) .. format('%d', all[place]), 0 end
    commas = commas + 1
  end
  if commas > 3 then text = text .. (','):rep(commas - 3) .. '0' end
  return text
end

-- The blocks of a field from number `from` on, as tables of six numbers by part, and the text of those before.
local function blocks_of(field, from)
  local text = call('HGET', key, field) or ''
  local before, at = 0, 1
  while at <= #text do
    local number = text:match('^(%d+)', at)
    if not number or number + 0 >= from then break end
    local next = text:find(' %d', at)
    before, at = next or #text, next and next + 1 or #text + 1
  end
  local blocks, block = {}, nil
  for word in text:sub(at):gmatch('%S+') do
    if word:find('^%d') then
      local number = tonumber(word:match('^%d+$'))
      block = number and number <= most and {}
      if block then blocks[number] = block end
    elseif block then
      for part, tally in word:gmatch('(%l)([%d,]*)') do block[part:byte() - 97] = numbers(tally ~= '' and tally or '1') end
    end
  end
  return blocks, text:sub(1, before)
end

-- Writes a field back, without what is older than block `oldest`.
local fields = {}
local function keep(field, blocks, before, parts, oldest)
  while before ~= '' and before:match('^(%d+)') + 0 < oldest do
    local next = before:find(' %d')
    before = next and before:sub(next + 1) or ''
  end
  local order, words = {}, {}
  for number in pairs(blocks) do
    if number >= oldest then order[#order + 1] = number end
  end
  table.sort(order)
  for _, number in ipairs(order) do
    local letters = ''
    for part = 0, parts - 1 do
      local all = blocks[number][part]
      local text = all and tally_text(all) or ''
      if text ~= '' then letters = letters .. string.char(97 + part) .. (text ~= '1' and text or '') end
    end
    if letters ~= '' then words[#words + 1] = format('%d ', number) .. letters end
  end
  before = before:gsub(' $', '')
  if before ~= '' and #words > 0 then before = before .. ' ' end
  fields[#fields + 1] = field
  fields[#fields + 1] = before .. table.concat(words, ' ')
end

local function add(blocks, number, part, more)
  local block = blocks[number] or {}
  blocks[number] = block
  local all = block[part]
  if not all then
    all = {0, 0, 0, 0, 0, 0}
    block[part] = all
  end
  for place = 1, 6 do all[place] = sum(all[place], more[place]) end
  return all
end

local count, at = ARGV[5] + 0, 6
local hours, totals = {}, {}
if count > 0 then
  local first = ARGV[at] + 0
  local first_hour = math.floor(first / 12)
  local fives, fives_before = blocks_of('fives', first_hour)
  local days, days_before = blocks_of('hours', math.floor(first_hour / 24))
  for _ = 1, count do
    local five, more = ARGV[at] + 0, numbers(ARGV[at + 1])
    local hour = math.floor(five / 12)
    add(fives, hour, five % 12, more)
    if not totals[hour] then hours[#hours + 1] = hour end
    totals[hour] = add(days, math.floor(hour / 24), hour % 24, more)
    at = at + 2
  end
  keep('fives', fives, fives_before, 12, math.floor((now - ARGV[3]) / 3600000))
  keep('hours', days, days_before, 24, math.floor((now - ARGV[2]) / 86400000))
  call('HSETNX', key, 'first', ARGV[#ARGV])
end

-- What is seen now comes to the front, with what was counted of it before.
count = ARGV[at] + 0
local networks = {}
local before = call('HGET', key, 'networks') or ''
if count > 0 or #hours > 0 then
  local known, is_new = {}, {}
  for network, _, messages in before:gmatch('(%S+)=(%d+),(%d+)') do known[network] = messages + 0 end
  for n = 0, count - 1 do
    local network, last, messages = ARGV[at + 1 + 3 * n], ARGV[at + 2 + 3 * n] + 0, ARGV[at + 3 + 3 * n] + 0
    is_new[network] = true
    networks[#networks + 1] = {network, last, sum(messages, known[network] or 0)}
  end
  for network, last, messages in before:gmatch('(%S+)=(%d+),(%d+)') do
    if not is_new[network] then networks[#networks + 1] = {network, last + 0, messages + 0} end
  end
  for n = #networks, ARGV[4] + 1, -1 do networks[n] = nil end
end
if count > 0 then
  local texts = {}
  for n, one in ipairs(networks) do texts[n] = format('%s=%d,%d', one[1], one[2], one[3]) end
  fields[#fields + 1] = 'networks'
  fields[#fields + 1] = table.concat(texts, ' ')
end
if #fields > 0 then
  call('HSET', key, unpack(fields))
  call('PEXPIRE', key, format('%d', ARGV[2] + 86400000))
end

local reply = {}
for _, hour in ipairs(hours) do
  local since, here = hour * 3600, 0
  for _, one in ipairs(networks) do
    if one[2] >= since then here = here + 1 end
  end
  reply[#reply + 1] = hour
  reply[#reply + 1] = tally_text(totals[hour])
  reply[#reply + 1] = here
end
return reply
