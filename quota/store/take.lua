-- Looks at every bucket of a message, then takes from every bucket or from none. The twin of quota/token_bucket.cpp and of
-- MemoryStore::take: a differential test holds them together. Where a message's records lie on several servers it is asked
-- once for each record: 'look' first, then 'commit'.
--
-- KEYS  one record (a hash) per identity that is charged
-- ARGV  1  now in ms since 1970; empty in production: the server's own clock. Tests set it
--       2  'take'
--          'peek'    nothing is written
--          'look'    nothing but that a clock that stepped back is noted
--          'commit'  everything is taken, whether it holds or not
--          'repay'   everything is taken, but no bucket beyond empty
--       then for each key: the number of its charges, and for each charge
--         field           QUOTA UNIT/PERIOD
--         amount, burst   in whole units
--         period          ms
--         tokens, interval  amount/period in lowest terms
--         cost            in whole units
--         group           'e' enforced, 'o' observed; 'r' in a commit: not taken, its refusal is counted
--         refusals field  QUOTA refusals, or '' where refusals are not counted
--         window          of the refusals, ms
-- Reply { now, enforced taken 0|1, observed taken 0|1, then for each charge: used, remainder, refusals }, the bucket as it
--       was at now, before anything was taken; refusals: the count after counting this one, 0 where none was counted.
-- All numbers are integers below 2^53, which a Lua number holds exactly.

-- It runs for every message of a cluster: no table is made of a charge, no number is read from its text twice, and what a call
-- costs decides what is called.

local exact = 9007199254740992
local call, format, match = redis.call, string.format, string.match
local keys, arg = KEYS, ARGV
local width = 10   -- arguments of a charge: 0 field, 1 amount, 2 burst, 3 period, 4 tokens, 5 interval, 6 cost, 7 group, 8 refusals field, 9 window
local verb, now = arg[2], arg[1]
if now == '' then
  local time = call('TIME')
  local micros = time[2] + 0
  now = time[1] * 1000 + (micros - micros % 1000) / 1000
else
  now = now + 0
end

-- a % b is exact below 2^53, and a sixth of math.fmod's price.
local function ceil_div(value, by)
  local rest = value % by
  if rest > 0 then return (value - rest) / by + 1 end
  return value / by
end

local function gcd(a, b)
  while b ~= 0 do a, b = b, a % b end
  return a
end

-- What is used at now, in tokens times interval of the charge's limit, and whether it was written by a clock that was ahead.
-- The text is used/burst remainder amount time; one that is none, or cannot be counted exactly, is an empty record.
local function level(text, from, burst)
  local used, old_burst, remainder, old_amount, written = match(text, '^(%d+)/(%d+) (%d+) (%d+) (%d+)$')
  if not used then return 0 end
  local tokens, interval = arg[from + 4], arg[from + 5]
  local is_same = old_amount == arg[from + 1] and old_burst == arg[from + 2]
  if not is_same then
    old_burst, old_amount = old_burst + 0, old_amount + 0
    if old_burst < 1 or old_amount < 1 or old_burst >= exact or old_amount >= exact then return 0 end
    local period = arg[from + 3] + 0
    local divisor = gcd(old_amount, period)
    tokens, interval = old_amount / divisor, period / divisor
    is_same = old_amount == arg[from + 1] + 0 and old_burst == burst
  end
  used, remainder, written = used + 0, remainder + 0, written + 0
  -- Beyond 2^53 a product is not exact, but it is not below it either.
  local scaled = used * interval + remainder
  if remainder >= interval or written >= exact or scaled >= exact then return 0 end
  local elapsed = now - written
  if elapsed > 0 then
    local refilled = elapsed * tokens
    if refilled >= scaled then return 0 end
    scaled = scaled - refilled
  end
  if is_same then return scaled, elapsed < 0 end
  used = ceil_div(scaled, interval)
  if used > burst then used = burst end
  return used * arg[from + 5], elapsed < 0
end

-- Look. What was read or found stays in the charge's arguments: 3 what is used, 4 to 6 as numbers.
local enforced, observed = true, true
local fails, was_ahead   -- by the place of a charge: rare
local at = 3
for k = 1, #keys do
  local count = arg[at]
  local texts, is_one = nil, count == '1'
  if is_one then
    count = 1
    texts = call('HGET', keys[k], arg[at + 1])
  else
    count = count + 0
    texts = {}
    for i = 1, count do texts[i] = arg[at + 1 + (i - 1) * width] end
    texts = call('HMGET', keys[k], unpack(texts))
  end
  arg[at] = count
  local from = at + 1
  for i = 1, count do
    local burst, interval, cost = arg[from + 2] + 0, arg[from + 5] + 0, arg[from + 6]
    if cost == '1' then cost = 1 else cost = cost + 0 end
    arg[from + 4], arg[from + 5], arg[from + 6] = arg[from + 4] + 0, interval, cost
    local text, scaled, ahead = texts, 0
    if not is_one then text = texts[i] end
    if text then scaled, ahead = level(text, from, burst) end
    arg[from + 3] = scaled
    if ahead then
      was_ahead = was_ahead or {}
      was_ahead[from] = true
    end
    if cost > burst or scaled > (burst - cost) * interval then
      fails = fails or {}
      fails[from] = true
      local group = arg[from + 7]
      if group == 'e' then enforced = false elseif group == 'o' then observed = false end
    end
    from = from + width
  end
  at = from
end

-- Take, or count the refusals.
local take_enforced, take_observed = enforced, enforced and observed
if verb == 'commit' or verb == 'repay' then
  take_enforced, take_observed = true, true
elseif verb == 'look' then
  take_enforced, take_observed = false, false
end

-- Two limits of one quota that fail are one refusal. Returns the count and the time until its window has passed.
local counted
local function count_refusal(key, from)
  local field, window = arg[from + 8], arg[from + 9] + 0
  local name = key .. ' ' .. field
  counted = counted or {}
  if counted[name] then return counted[name], 0 end
  local text = call('HGET', key, field)
  local number, since
  if text then number, since = match(text, '^(%d+) (%d+)$') end
  if number then number, since = number + 0, since + 0 end
  if not number or number >= exact or since >= exact or now < since or now - since >= window then number, since = 0, now end
  if number < exact - 1 then number = number + 1 end
  counted[name] = number
  call('HSET', key, field, format('%d %d', number, since))
  return number, since + window - now
end

local reply = {now, take_enforced and 1 or 0, take_observed and 1 or 0}
local place = 3
at = 3
for k = 1, #keys do
  local key, count, from = keys[k], arg[at], at + 1
  local kept_for, written = 0   -- more than 0: something is written; several fields of a record in one command
  for _ = 1, count do
    local scaled, interval, cost, group, refusals = arg[from + 3], arg[from + 5], arg[from + 6], arg[from + 7], 0
    local remainder = scaled % interval
    local used = (scaled - remainder) / interval
    if verb ~= 'peek' then
      local after
      if cost > 0 and ((group == 'e' and take_enforced) or (group == 'o' and take_observed)) then
        -- A debt stays within what level() accepts; what is paid back stays within the bucket.
        after = scaled + cost * interval
        if after >= exact - interval then after = math.min(after, exact - 1 - (exact - 1) % interval) end
        if verb == 'repay' then after = math.max(scaled, math.min(after, arg[from + 2] * interval)) end
      elseif was_ahead and was_ahead[from] then
        -- A clock that stepped back must not stop the refill until it has caught up.
        after = scaled
      end
      if after then
        local lasts, rest = ceil_div(after, arg[from + 4]), after % interval
        if lasts < 1 then lasts = 1 end
        if lasts > kept_for then kept_for = lasts end
        local text = format('%d/%s %d %s %d', (after - rest) / interval, arg[from + 2], rest, arg[from + 1], now)
        if count == 1 then
          call('HSET', key, arg[from], text)
        else
          written = written or {key}
          written[#written + 1] = arg[from]
          written[#written + 1] = text
        end
      end
      if arg[from + 8] ~= '' and ((verb == 'commit' and group == 'r') or (verb == 'take' and group == 'e' and fails and fails[from])) then
        local lasts
        refusals, lasts = count_refusal(key, from)
        if lasts > kept_for then kept_for = lasts end
      end
    end
    reply[place + 1], reply[place + 2], reply[place + 3] = used, remainder, refusals
    place, from = place + 3, from + width
  end
  at = from
  if written then call('HSET', unpack(written)) end
  -- A record is forgotten when all that it holds has passed. Its time is only ever extended, and then by more than is needed now:
  -- telling Redis of it costs as much as writing the bucket does.
  if kept_for > 0 and call('PTTL', key) < kept_for then call('PEXPIRE', key, kept_for + (kept_for - kept_for % 8) / 8 + 60000) end
end
return reply
