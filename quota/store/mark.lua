-- Marks a record as blocked. KEYS[1] record; ARGV 1 block id, 2 ladder text ('' = leave it), 3 refusals field to start anew ('' = none),
-- 4 how long the record is kept from now, ms. The same id again only lets the record, and its ladder, last longer.
if redis.call('HGET', KEYS[1], 'block') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'block', ARGV[1])
  if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'ladder', ARGV[2]) end
  if ARGV[3] ~= '' then redis.call('HDEL', KEYS[1], ARGV[3]) end
elseif ARGV[2] ~= '' then
  local step, forget_at = string.match(redis.call('HGET', KEYS[1], 'ladder') or '', '^(%d+) (%d+)$')
  local wanted = string.match(ARGV[2], ' (%d+)$')
  if not step then
    redis.call('HSET', KEYS[1], 'ladder', ARGV[2])
  elseif tonumber(wanted) > tonumber(forget_at) then
    redis.call('HSET', KEYS[1], 'ladder', step .. ' ' .. wanted)
  end
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
