-- A round of the arbiter: leases and shards. The rules are told in placement's arbiter.rs; this is the same
-- function by function, and a test holds the two against each other.
-- KEYS: nodes, shards, memory (hashes of one slot).
-- ARGV: name, address, process, incarnation or '-', chargers, unwritten, leaving, bye, state seen,
--       lease, gap, forgive, settle (ms), asserted, given, taken ('shard:epoch ...'), how many shards there are.
local NODES, SHARDS, MEMORY = KEYS[1], KEYS[2], KEYS[3]
local name, address, process, shard_count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[17])
local lease, gap, forgive, settle =
    tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
-- A node that comes back too soon waits twice as long each time, so many times.
local FLAPS_MOST = 6
local longest_settling = settle * 2 ^ FLAPS_MOST

-- What was there and no hub has written, of which the first are told: key, field, what was read. It is removed here.
local unreadable, unreadable_count = {}, 0
-- Some of it may have taken the place of a lease or a shard.
local has_lost = false

local function note(key, field, value)
    unreadable_count = unreadable_count + 1
    if #unreadable < 8 then
        table.insert(unreadable, { key, shown(field), shown(value) })
    end
end

local function forget(key, field, value, was_one)
    redis.call('HDEL', key, field)
    note(key, field, value)
    has_lost = has_lost or was_one
end

-- What is in a hash that had so many fields after the last round: fields and values in turn.
local function fields(key, least)
    local flat, wrong = read('HGETALL', key)
    if wrong then
        redis.call('DEL', key)
        note(key, '', wrong)
        has_lost = true
        return {}
    end
    has_lost = has_lost or #flat < 2 * (least or 0)
    return flat
end

local function hash(key, least)
    local flat, map = fields(key, least), {}
    for i = 1, #flat, 2 do
        map[flat[i]] = flat[i + 1]
    end
    return map
end

local function size(map)
    local count = 0
    for _ in pairs(map) do
        count = count + 1
    end
    return count
end

-- What can be read of the memory, all or nothing.
local memory = hash(MEMORY)
local is_whole = memory.run
for _, field in ipairs({
    'born', 'quiet', 'last', 'version', 'incarnation', 'nodes', 'shards', 'looked',
}) do
    local value = memory[field]
    memory[field] = number(value)
    if value and not memory[field] then
        note(MEMORY, field, value)
    end
    is_whole = is_whole and memory[field]
end
if not is_whole then
    memory = {}
end

-- Of the nodes.
local function read_node(incarnation, record)
    local deadline, joined, settled, flaps, leaving, superseded, chargers, unwritten, its_process,
        its_address, its_name =
        record:match('^(%d+) (%d+) (%d+) (%d+) ([01]) ([01]) (%d+) ([01]) (%d+) (%S+) (%S+)$')
    local node = {
        number = number(incarnation), deadline = number(deadline), joined = number(joined),
        settled = number(settled), flaps = number(flaps), leaving = leaving,
        superseded = superseded, chargers = number(chargers) and chargers, unwritten = unwritten,
        process = its_process, address = its_address, name = its_name,
    }
    local is_process = its_process and (#its_process < 20 or
        #its_process == 20 and its_process <= '18446744073709551615')
    if node.number and node.deadline and node.joined and node.settled and node.flaps
        and node.flaps < 1000000 and node.chargers and is_process then
        return node
    end
end

local nodes = {}

local function keep(incarnation)
    local node = nodes[incarnation]
    redis.call('HSET', NODES, incarnation, table.concat({
        text(node.deadline), text(node.joined), text(node.settled), text(node.flaps), node.leaving,
        node.superseded, node.chargers, node.unwritten, node.process, node.address, node.name,
    }, ' '))
end

for incarnation, record in pairs(hash(NODES, memory.nodes)) do
    local node = read_node(incarnation, record)
    if not node then
        forget(NODES, incarnation, record, number(incarnation))
    elseif node.deadline + forgive <= now then
        redis.call('HDEL', NODES, incarnation)
    else
        nodes[incarnation] = node
        -- Nobody is given more at any time.
        if node.deadline > now + lease or node.settled > now + longest_settling then
            node.deadline = math.min(node.deadline, now + lease)
            node.settled = math.min(node.settled, now + longest_settling)
            keep(incarnation)
        end
    end
end

-- And of the shards. They are many: they are looked at where they are asked for, and by somebody once a lease.
local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
local born = text(memory.born or now)
local version = memory.version or 0
local which = run .. '/' .. born
local is_asked = ARGV[9] ~= which .. '/' .. text(version)
    or ARGV[14] ~= '' or ARGV[15] ~= '' or ARGV[16] ~= ''
local looked = memory.looked or 0
local table_now, shards = nil, {}
if is_asked or has_lost or math.abs(now - looked) > lease then
    looked = now
    table_now = fields(SHARDS, memory.shards)
    for i = 1, #table_now, 2 do
        local shard, record = table_now[i], table_now[i + 1]
        local holder, epoch = record:match('^(%S+) (%d+)$')
        local is_shard = #shard < 5 and shard:find('^%d+$') and (shard == '0' or shard:byte() ~= 48)
            and tonumber(shard) < shard_count
        if is_shard and number(epoch) and (holder == '-' or number(holder)) then
            shards[shard] = { holder = holder, epoch = number(epoch) }
        else
            forget(SHARDS, shard, record, is_shard)
        end
    end
end

-- wake: is this the memory and the clock of the last round, and is all there that was?
local quiet_until = math.min(memory.quiet or 0, now + lease)
local last_incarnation = memory.incarnation or 0
if memory.run ~= run or now - (memory.last or 0) > gap or has_lost then
    quiet_until = now + lease
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
    local mine = number(me)
    last_incarnation = math.max(last_incarnation, mine)
    local newer, latest = false, nil
    for incarnation, node in pairs(nodes) do
        if node.name == name then
            newer = newer or node.number > mine
            if not latest or node.number > latest.number then
                latest = node
            end
            if node.number < mine and node.superseded == '0' then
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
        number = mine, deadline = newer and now or now + lease, joined = now,
        settled = now + settle * 2 ^ math.min(flaps, FLAPS_MOST), flaps = flaps, leaving = ARGV[7],
        superseded = newer and '1' or '0', chargers = ARGV[5], unwritten = ARGV[6], process = process,
        address = address, name = name,
    }
    keep(me)
end

-- move shards
local is_quiet = now < quiet_until
local changed = has_lost

local function put(shard, holder, epoch)
    redis.call('HSET', SHARDS, shard, holder .. ' ' .. text(epoch))
    shards[shard] = { holder = holder, epoch = epoch }
    changed = true
end

local superseded = nodes[me].superseded
if superseded == '0' then
    local node = nodes[me]
    node.deadline, node.address = now + lease, address
    node.chargers, node.unwritten, node.leaving = ARGV[5], ARGV[6], ARGV[7]
    keep(me)
    for shard, epoch in ARGV[15]:gmatch('(%d+):(%d+)') do
        local there = shards[shard]
        if there and there.holder == me and there.epoch == tonumber(epoch) then
            put(shard, '-', there.epoch)
        end
    end
    for shard, epoch in ARGV[14]:gmatch('(%d+):(%d+)') do
        local there = shards[shard]
        if is_quiet and (not there or there.epoch < tonumber(epoch)) then
            put(shard, me, tonumber(epoch))
        end
    end
    for shard, at_least in ARGV[16]:gmatch('(%d+):(%d+)') do
        local there = shards[shard]
        local live = there and nodes[there.holder]
        local is_free = not there or there.holder == me or not (live and live.deadline > now)
        if not is_quiet and is_free then
            put(shard, me, math.max(now, there and there.epoch + 1 or 0, tonumber(at_least)))
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
    'version', text(version), 'incarnation', text(last_incarnation), 'looked', text(looked),
    'nodes', size(nodes), 'shards', table_now and size(shards) or memory.shards)

-- reply
local state = which .. '/' .. text(version)
if changed or unreadable_count > 0 then
    table_now = redis.call('HGETALL', SHARDS)
end
return {
    text(now), me, superseded, is_quiet and '1' or '0', which, state,
    redis.call('HGETALL', NODES),
    ARGV[9] ~= state and table_now,
    unreadable, text(unreadable_count),
}
