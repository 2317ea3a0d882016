-- Empties a record if its block is still that one: of all daemons that saw a release, one does it. KEYS[1] record; ARGV 1 block id.
if redis.call('HGET', KEYS[1], 'block') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
