-- Holds on to a claim, where none of the same or a higher epoch is there. Tells how it stands, the epoch and holder of
-- the claim that is there now, and what was there instead of one.
-- KEYS: the claim. ARGV: epoch, incarnation, station, what channels begin with.
local epoch = tonumber(ARGV[1])
local there, holder, garbage = claimed(KEYS[1])
if there then
    if there == epoch and holder == ARGV[2] then
        return { 'held', ARGV[1], holder, false }
    end
    if there >= epoch then
        return { 'lost', text(there), holder, false }
    end
    if holder ~= '-' and holder ~= ARGV[2] then
        redis.call('PUBLISH', ARGV[4] .. holder, ARGV[1] .. ' ' .. ARGV[3])
    end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return { 'restored', ARGV[1], ARGV[2], garbage or false }
