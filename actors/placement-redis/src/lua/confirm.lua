-- Holds on to a claim, where none of the same or a higher epoch is there.
-- KEYS: the claim. ARGV: epoch, incarnation, station, what channels begin with.
local old = redis.call('GET', KEYS[1])
if old then
    local there, holder = old:match('^(%d+) (%S+)$')
    if there == ARGV[1] and holder == ARGV[2] then
        return { 'held', there, holder }
    end
    if tonumber(there) >= tonumber(ARGV[1]) then
        return { 'lost', there, holder }
    end
    if holder ~= '-' and holder ~= ARGV[2] then
        redis.call('PUBLISH', ARGV[4] .. holder, ARGV[1] .. ' ' .. ARGV[3])
    end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return { 'restored', ARGV[1], ARGV[2] }
