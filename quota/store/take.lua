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

local exact = 9007199254740992
local fmod, format = math.fmod, string.format

local function text_of(number) return format('%.0f', number) end

local function quotient(value, by) return (value - fmod(value, by)) / by end

local function ceil_div(value, by)
  local rest = fmod(value, by)
  return (value - rest) / by + (rest > 0 and 1 or 0)
end

local function gcd(a, b)
  while b ~= 0 do a, b = b, fmod(a, b) end
  return a
end

-- used/burst remainder amount time, or nothing where the text is none or cannot be counted exactly
local function parse(text, period)
  if not text then return nil end
  local used, burst, remainder, amount, written = string.match(text, '^(%d+)/(%d+) (%d+) (%d+) (%d+)$')
  if not used then return nil end
  used, burst, remainder, amount, written = tonumber(used), tonumber(burst), tonumber(remainder), tonumber(amount), tonumber(written)
  if burst < 1 or amount < 1 or burst >= exact or remainder >= exact or amount >= exact or written >= exact then return nil end
  local divisor = gcd(amount, period)
  local interval = period / divisor
  if remainder >= interval or used > quotient(exact - 1 - remainder, interval) then return nil end
  return {scaled = used * interval + remainder, burst = burst, amount = amount, tokens = amount / divisor, interval = interval, written = written}
end

-- what is used at now, in tokens times interval of the charge's own limit
local function level(before, charge, now)
  local elapsed = now - before.written
  if elapsed < 0 then elapsed = 0 end
  local scaled = before.scaled
  if elapsed >= ceil_div(scaled, before.tokens) then scaled = 0 else scaled = scaled - elapsed * before.tokens end
  if before.amount == charge.amount and before.burst == charge.burst then return scaled end
  local used = ceil_div(scaled, before.interval)
  if used > charge.burst then used = charge.burst end
  return used * charge.interval
end

local now
if ARGV[1] ~= '' then
  now = tonumber(ARGV[1])
else
  local time = redis.call('TIME')
  now = time[1] * 1000 + quotient(tonumber(time[2]), 1000)
end
local verb = ARGV[2]

-- Look.
local charges, at = {}, 3
local holds = {e = true, o = true}
for k = 1, #KEYS do
  local count = tonumber(ARGV[at])
  local fields = {}
  for i = 1, count do fields[i] = ARGV[at + 1 + (i - 1) * 10] end
  local texts = redis.call('HMGET', KEYS[k], unpack(fields))
  for i = 1, count do
    local from = at + 1 + (i - 1) * 10
    local charge = {
      key = KEYS[k], field = ARGV[from], amount = tonumber(ARGV[from + 1]), burst = tonumber(ARGV[from + 2]),
      tokens = tonumber(ARGV[from + 4]), interval = tonumber(ARGV[from + 5]), cost = tonumber(ARGV[from + 6]),
      group = ARGV[from + 7], refusals_field = ARGV[from + 8], window = tonumber(ARGV[from + 9]), refusals = 0
    }
    local before = parse(texts[i], tonumber(ARGV[from + 3]))
    charge.scaled = before and level(before, charge, now) or 0
    charge.stepped_back = before and now < before.written
    charge.holds = charge.cost <= charge.burst and charge.scaled <= (charge.burst - charge.cost) * charge.interval
    if not charge.holds then holds[charge.group] = false end
    charges[#charges + 1] = charge
  end
  at = at + 1 + count * 10
end

-- Take, or count the refusals.
local taken = {e = holds.e, o = holds.e and holds.o}
if verb == 'commit' or verb == 'repay' then taken = {e = true, o = true} end
if verb == 'look' then holds, taken = {}, {} end
local wanted_ttl, counted = {}, {}

local function keep(key, ttl)
  if ttl < 1 then ttl = 1 end
  if not wanted_ttl[key] or wanted_ttl[key] < ttl then wanted_ttl[key] = ttl end
end

local function write(charge, scaled)
  local remainder = fmod(scaled, charge.interval)
  redis.call('HSET', charge.key, charge.field, text_of((scaled - remainder) / charge.interval) .. '/' .. text_of(charge.burst) .. ' ' ..
    text_of(remainder) .. ' ' .. text_of(charge.amount) .. ' ' .. text_of(now))
  keep(charge.key, ceil_div(scaled, charge.tokens))
end

-- What is used after a charge was taken. A debt stays within what parse() accepts.
local function spent(charge)
  local cost, full = charge.cost * charge.interval, charge.burst * charge.interval
  if verb == 'repay' then return math.max(charge.scaled, math.min(charge.scaled + cost, full)) end
  local most = quotient(exact - 1, charge.interval) * charge.interval
  if cost > most - charge.scaled then return most end
  return charge.scaled + cost
end

local function is_refused(charge)
  if verb == 'commit' then return charge.group == 'r' end
  return verb == 'take' and charge.group == 'e' and not charge.holds
end

-- Two limits of one quota that fail are one refusal.
local function count_refusal(charge)
  local name = charge.key .. ' ' .. charge.refusals_field
  if not counted[name] then
    local text = redis.call('HGET', charge.key, charge.refusals_field)
    local count, since
    if text then count, since = string.match(text, '^(%d+) (%d+)$') end
    count, since = tonumber(count), tonumber(since)
    if not count or count >= exact or since >= exact or now < since or now - since >= charge.window then count, since = 0, now end
    if count < exact - 1 then count = count + 1 end
    counted[name] = count
    redis.call('HSET', charge.key, charge.refusals_field, text_of(count) .. ' ' .. text_of(since))
    keep(charge.key, since + charge.window - now)
  end
  charge.refusals = counted[name]
end

if verb ~= 'peek' then
  for _, charge in ipairs(charges) do
    if taken[charge.group] and charge.cost > 0 then
      write(charge, spent(charge))
    elseif charge.stepped_back then
      -- A clock that stepped back must not stop the refill until it has caught up.
      write(charge, charge.scaled)
    end
    if is_refused(charge) and charge.refusals_field ~= '' then count_refusal(charge) end
  end
  -- A record is forgotten when all that it holds has passed; its time is only ever extended.
  for key, ttl in pairs(wanted_ttl) do
    if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, text_of(ttl)) end
  end
end

local reply = {now, taken.e and 1 or 0, taken.o and 1 or 0}
for _, charge in ipairs(charges) do
  local remainder = fmod(charge.scaled, charge.interval)
  reply[#reply + 1] = (charge.scaled - remainder) / charge.interval
  reply[#reply + 1] = remainder
  reply[#reply + 1] = charge.refusals
end
return reply
