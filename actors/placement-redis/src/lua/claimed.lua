-- The claim that is there: its epoch and holder, '-' for a released one; or, instead, what is there and is no claim.
local function claimed(key)
    local there, wrong = read('GET', key)
    if wrong or not there then
        return nil, nil, wrong
    end
    local epoch, holder = there:match('^(%d+) (%S+)$')
    if number(epoch) and (holder == '-' or number(holder)) then
        return number(epoch), holder
    end
    return nil, nil, shown(there)
end
