-- Claims a charger: above the claim that is there, and no lower than told. Tells its epoch and that of the claim before.
-- KEYS: the claim. ARGV: least epoch, incarnation, station, what channels begin with.
local epoch = tonumber(ARGV[1])
local there, holder = nil, nil
local old = redis.call('GET', KEYS[1])
if old then
    there, holder = old:match('^(%d+) (%S+)$')
    epoch = math.max(epoch, tonumber(there) + 1)
    if holder ~= '-' and holder ~= ARGV[2] then
        redis.call('PUBLISH', ARGV[4] .. holder, string.format('%.0f ', epoch) .. ARGV[3])
    end
end
local text = string.format('%.0f', epoch)
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[2])
return { text, there }
