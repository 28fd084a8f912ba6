-- What other scripts begin with: the time, and how numbers are read and written.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function text(number)
    return string.format('%.0f', number)
end

-- The number that is written so; nil for what no hub has written. Epochs are times in ms, or some above one, and so are
-- the numbers of processes: none is ten thousand years ahead, and all are exact here. Many shards have the same.
local numbers = {}
local function number(word)
    if not word or numbers[word] then
        return numbers[word]
    end
    local value = #word < 16 and tonumber(word)
    if value and value >= 0 and value < now + 315576000000000 and text(value) == word then
        numbers[word] = value
        return value
    end
end

-- What cannot be read, for the log.
local function shown(value)
    return (value:sub(1, 60):gsub('[^%w%p ]', '?'))
end

-- What a command that reads answers; where the key is of another type, nil and what Redis says to that.
local function read(command, key)
    local answer = redis.pcall(command, key)
    if type(answer) == 'table' and answer.err then
        if not answer.err:find('WRONGTYPE', 1, true) then
            redis.call(command, key)
        end
        return nil, answer.err
    end
    return answer
end
