-- Claims a charger: above the claim that is there, and no lower than told. Tells its epoch, that of the claim before, and
-- what was there instead of a claim: then nobody knows whose the charger was, and the epoch is at least the time, as
-- that of the claim that was there will have been.
-- KEYS: the claim. ARGV: least epoch, incarnation, station, what channels begin with.
local epoch = tonumber(ARGV[1])
local there, holder, garbage = claimed(KEYS[1])
if there then
    epoch = math.max(epoch, there + 1)
    if holder ~= '-' and holder ~= ARGV[2] then
        redis.call('PUBLISH', ARGV[4] .. holder, text(epoch) .. ' ' .. ARGV[3])
    end
elseif garbage then
    epoch = math.max(epoch, now)
end
redis.call('SET', KEYS[1], text(epoch) .. ' ' .. ARGV[2])
return { text(epoch), there and text(there) or false, garbage or false }
