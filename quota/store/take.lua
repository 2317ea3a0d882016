-- Looks at every bucket of a message, then takes from every bucket or from none. The twin of quota/token_bucket.cpp and of
-- MemoryStore::take: a differential test holds them together. Where a message's records lie on several servers it is asked
-- once for each record: 'look' first, then 'commit'.
--
-- KEYS  one record (a hash) per identity that is charged
-- ARGV  1  'take'
--          'peek'    nothing is written
--          'look'    nothing but that a clock that stepped back is noted
--          'commit'  everything is taken, whether it holds or not
--          'repay'   everything is taken, but no bucket beyond empty
--          In tests ' NOW' follows, in ms since 1970; else the server's own clock counts.
--       then for each key: the number of its charges, and for each charge
--         field           QUOTA UNIT/PERIOD
--         amount, burst   in whole units
--         period          ms
--         tokens, interval  amount/period in lowest terms
--         cost            in whole units
--         group           'e' enforced, 'o' observed; 'r' in a commit: not taken, its refusal is counted. Where refusals are
--                         counted their window follows, in ms: 'e600000'
-- Reply { now, taken, then for each charge: used, remainder }, the bucket as it was at now, before anything was taken; taken: 1 for
--       what is enforced and 2 for what is observed. Where a refusal was counted there follows for each charge the count after
--       it, 0 where none was counted.
-- All numbers are integers below 2^53, which a Lua number holds exactly.

-- It runs for every message of a cluster: no table is made of a charge, no number is read from its text twice, and what a call
-- costs decides what is called.

-- Numbers below 2^53 are exact in a %, which costs a sixth of what math.fmod does.
local exact = 9007199254740992
local call, format, match = redis.call, string.format, string.match
local keys, arg = KEYS, ARGV
local width = 8   -- arguments of a charge: 0 field, 1 amount, 2 burst, 3 period, 4 tokens, 5 interval, 6 cost, 7 group
local verb, now = arg[1]
if verb ~= 'take' then
  verb, now = match(verb, '^(%a+) ?(%d*)$')
  if now == '' then now = nil end
end
if not now then
  local time = call('TIME')
  local micros = time[2] + 0
  now = time[1] * 1000 + (micros - micros % 1000) / 1000
else
  now = now + 0
end

-- What is used at now, in tokens times interval of the charge's limit, whether it was written by a clock that was ahead, and else,
-- where it was written for the same limit, a moment before which the bucket was not full.
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
    local divisor, rest = old_amount, period
    while rest ~= 0 do divisor, rest = rest, divisor % rest end
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
    if refilled >= scaled then return 0, false, is_same and written end
    scaled = scaled - refilled
  end
  if is_same then return scaled, elapsed < 0, elapsed >= 0 and now + (scaled - scaled % tokens) / tokens end
  local rest = scaled % interval
  used = (scaled - rest) / interval
  if rest > 0 then used = used + 1 end
  if used > burst then used = burst end
  return used * arg[from + 5], elapsed < 0
end

-- Look. What was read or found stays in the charge's arguments: 3 what is used, 4 to 6 as numbers; and in the number of charges
-- of a record that has only one: the negative moment before which its bucket was not full, where that is known.
local enforced, observed = true, true
local fails, was_ahead   -- by the place of a charge: rare
local at = 2
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
    local text, scaled, ahead, lacking = texts, 0
    if not is_one then text = texts[i] end
    if text then scaled, ahead, lacking = level(text, from, burst) end
    arg[from + 3] = scaled
    if is_one and lacking and lacking > 0 then arg[at] = -lacking end
    if ahead then
      was_ahead = was_ahead or {}
      was_ahead[from] = true
    end
    if cost > burst or scaled > (burst - cost) * interval then
      fails = fails or {}
      fails[from] = true
      if arg[from + 7] == 'o' then observed = false else enforced = false end
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

local reply = {now, (take_enforced and 1 or 0) + (take_observed and 2 or 0), 0, 0}
local place = 2
local counted, refusals   -- where a refusal was counted: by quota, and by the number of the charge
at = 2
for k = 1, #keys do
  local key, count, from = keys[k], arg[at], at + 1
  local kept_for, written, known = 0   -- more than 0: for so long at least; several fields of a record in one command
  if count < 0 then count, known = 1, -count end
  for _ = 1, count do
    local scaled, tokens, interval, cost, group = arg[from + 3], arg[from + 4], arg[from + 5], arg[from + 6], arg[from + 7]
    local remainder = scaled % interval
    reply[place + 1], reply[place + 2] = (scaled - remainder) / interval, remainder
    place = place + 2
    if verb ~= 'peek' then
      local is_observed, is_refused, after = group == 'o', verb == 'commit' and match(group, '^r')
      if cost > 0 and not is_refused and ((not is_observed and take_enforced) or (is_observed and take_observed)) then
        -- A debt stays within what level() accepts; what is paid back stays within the bucket.
        after = scaled + cost * interval
        if after >= exact - interval then after = math.min(after, exact - 1 - (exact - 1) % interval) end
        if verb == 'repay' then after = math.max(scaled, math.min(after, arg[from + 2] * interval)) end
      elseif was_ahead and was_ahead[from] then
        -- A clock that stepped back must not stop the refill until it has caught up.
        after = scaled
      end
      if after then
        -- A record is forgotten when all that it holds has passed, at the second line of a grid after that: so its time is told to
        -- Redis only where the bucket's end has come beyond a line. Telling it costs as much as writing the bucket.
        local ends, rest, grid = now + (after - after % tokens) / tokens, after % interval, 4 * interval / tokens
        local most = arg[from + 2] * interval / tokens / 16
        if grid > most then grid = most end
        if grid < 60000 then grid = 60000 end
        local line = ends - ends % grid
        if not known or known - known % grid ~= line then
          local lasts = line + 2 * grid - now
          if lasts > kept_for then kept_for = lasts end
        end
        local text = format('%d/%s %d %s %d', (after - rest) / interval, arg[from + 2], rest, arg[from + 1], now)
        if count == 1 then
          call('HSET', key, arg[from], text)
        else
          written = written or {key}
          written[#written + 1] = arg[from]
          written[#written + 1] = text
        end
      end
      local window = (is_refused or (verb == 'take' and fails and fails[from] and not is_observed)) and match(group, '%d+')
      if window then
        -- Two limits of one quota that fail are one refusal.
        local field, lasts = match(arg[from], '^(.*) ') .. ' refusals', 0
        local name = key .. ' ' .. field
        counted, refusals = counted or {}, refusals or {}
        if not counted[name] then
          local text, number, since = call('HGET', key, field)
          window = window + 0
          if text then number, since = match(text, '^(%d+) (%d+)$') end
          if number then number, since = number + 0, since + 0 end
          if not number or number >= exact or since >= exact or now < since or now - since >= window then number, since = 0, now end
          if number < exact - 1 then number = number + 1 end
          call('HSET', key, field, format('%d %d', number, since))
          counted[name], lasts = number, since + window - now
        end
        refusals[place / 2 - 1] = counted[name]
        if lasts > kept_for then kept_for = lasts end
      end
    end
    from = from + width
  end
  at = from
  if written then call('HSET', unpack(written)) end
  if kept_for > 0 and call('PTTL', key) < kept_for then call('PEXPIRE', key, math.ceil(kept_for)) end
end
if refusals then
  for number = 1, place / 2 - 1 do reply[place + number] = refusals[number] or 0 end
end
return reply
