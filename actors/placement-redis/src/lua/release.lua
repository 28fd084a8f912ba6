-- Gives a claim up, if it is the current one. Its epoch stays until no clock can be below it.
-- KEYS: the claim. ARGV: epoch, incarnation, how far clocks may be apart in ms.
if read('GET', KEYS[1]) ~= ARGV[1] .. ' ' .. ARGV[2] then
    return 0
end
local keep = tonumber(ARGV[1]) + tonumber(ARGV[3]) - now
if keep > 0 then
    redis.call('SET', KEYS[1], ARGV[1] .. ' -', 'PX', text(keep))
else
    redis.call('DEL', KEYS[1])
end
return 1
