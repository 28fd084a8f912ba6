-- A round of the arbiter: leases and shards. The rules are told in placement's arbiter.rs; this is the same
-- function by function, and a test holds the two against each other.
-- KEYS: nodes, shards, memory (hashes of one slot).
-- ARGV: name, address, process, incarnation or '-', chargers, unwritten, leaving, bye, state seen,
--       lease, gap, forgive, settle (ms), asserted, given, taken ('shard:epoch ...').
local NODES, SHARDS, MEMORY = KEYS[1], KEYS[2], KEYS[3]
local name, address, process = ARGV[1], ARGV[2], ARGV[3]
local lease, gap, forgive, settle =
    tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function text(number)
    return string.format('%.0f', number)
end

local function hash(key)
    local flat, map = redis.call('HGETALL', key), {}
    for i = 1, #flat, 2 do
        map[flat[i]] = flat[i + 1]
    end
    return map
end

-- wake: is this the memory and the clock of the last round?
local memory = hash(MEMORY)
local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
local born = memory.born or text(now)
local quiet_until = tonumber(memory.quiet or 0)
local version = tonumber(memory.version or 0)
local last_incarnation = tonumber(memory.incarnation or 0)
if memory.run ~= run or now - tonumber(memory.last or 0) > gap then
    quiet_until = now + lease
end

local nodes = {}
for incarnation, record in pairs(hash(NODES)) do
    local deadline, joined, settled, flaps, leaving, superseded, chargers, unwritten,
        its_process, its_address, its_name =
        record:match('^(%d+) (%d+) (%d+) (%d+) (%d) (%d) (%d+) (%d) (%S+) (%S+) (%S+)$')
    deadline = tonumber(deadline)
    if deadline + forgive <= now then
        redis.call('HDEL', NODES, incarnation)
    else
        nodes[incarnation] = {
            number = tonumber(incarnation), deadline = deadline, joined = tonumber(joined),
            settled = tonumber(settled), flaps = tonumber(flaps), leaving = leaving,
            superseded = superseded, chargers = chargers, unwritten = unwritten,
            process = its_process, address = its_address, name = its_name,
        }
    end
end

local function keep(incarnation)
    local node = nodes[incarnation]
    redis.call('HSET', NODES, incarnation, table.concat({
        text(node.deadline), text(node.joined), text(node.settled), text(node.flaps), node.leaving,
        node.superseded, node.chargers, node.unwritten, node.process, node.address, node.name,
    }, ' '))
end

-- admit: the process's number, with a record of it.
local me = ARGV[4]
if me == '-' then
    me = nil
    for incarnation, node in pairs(nodes) do
        if node.name == name and node.process == process then
            me = incarnation
        end
    end
    me = me or text(math.max(now, last_incarnation + 1))
end
if ARGV[4] ~= '-' then
    for incarnation, node in pairs(nodes) do
        if node.name == name and node.process == process and incarnation ~= me then
            nodes[incarnation] = nil
            redis.call('HDEL', NODES, incarnation)
        end
    end
end
local known = nodes[me]
local goes_on = known and (known.superseded == '1' or known.deadline > now or now < quiet_until)
if not goes_on then
    local number = tonumber(me)
    last_incarnation = math.max(last_incarnation, number)
    local newer, latest = false, nil
    for incarnation, node in pairs(nodes) do
        if node.name == name then
            newer = newer or node.number > number
            if not latest or node.number > latest.number then
                latest = node
            end
            if node.number < number and node.superseded == '0' then
                node.superseded = '1'
                keep(incarnation)
            end
        end
    end
    local flaps = 0
    if latest and now - latest.joined <= forgive then
        flaps = latest.flaps + 1
    end
    nodes[me] = {
        number = number, deadline = newer and now or now + lease, joined = now,
        settled = now + settle * 2 ^ math.min(flaps, 6), flaps = flaps, leaving = ARGV[7],
        superseded = newer and '1' or '0', chargers = ARGV[5], unwritten = ARGV[6], process = process,
        address = address, name = name,
    }
    keep(me)
end

-- move shards
local is_quiet = now < quiet_until
local changed = false

local function shard(number)
    local record = redis.call('HGET', SHARDS, number)
    if record then
        local holder, epoch = record:match('^(%S+) (%d+)$')
        return holder, tonumber(epoch)
    end
end

local function put(number, holder, epoch)
    redis.call('HSET', SHARDS, number, holder .. ' ' .. text(epoch))
    changed = true
end

local superseded = nodes[me].superseded
if superseded == '0' then
    local node = nodes[me]
    node.deadline, node.address = now + lease, address
    node.chargers, node.unwritten, node.leaving = ARGV[5], ARGV[6], ARGV[7]
    keep(me)
    for number, epoch in ARGV[15]:gmatch('(%d+):(%d+)') do
        local holder, there = shard(number)
        if holder == me and there == tonumber(epoch) then
            put(number, '-', there)
        end
    end
    for number, epoch in ARGV[14]:gmatch('(%d+):(%d+)') do
        local _, there = shard(number)
        if is_quiet and (not there or there < tonumber(epoch)) then
            put(number, me, tonumber(epoch))
        end
    end
    for number, at_least in ARGV[16]:gmatch('(%d+):(%d+)') do
        local holder, there = shard(number)
        local live = holder and nodes[holder]
        if not is_quiet and (holder == me or not (live and live.deadline > now)) then
            put(number, me, math.max(now, there and there + 1 or 0, tonumber(at_least)))
        end
    end
    if ARGV[8] == '1' and node.unwritten == '1' then
        node.deadline = now
        keep(me)
    elseif ARGV[8] == '1' then
        nodes[me] = nil
        redis.call('HDEL', NODES, me)
    end
end
if changed then
    version = version + 1
end
redis.call('HSET', MEMORY, 'run', run, 'born', born, 'quiet', text(quiet_until), 'last', text(now),
    'version', text(version), 'incarnation', text(last_incarnation))

-- reply
local which = run .. '/' .. born
local state = which .. '/' .. text(version)
return {
    text(now), me, superseded, is_quiet and '1' or '0', which, state,
    redis.call('HGETALL', NODES),
    ARGV[9] ~= state and redis.call('HGETALL', SHARDS),
}
