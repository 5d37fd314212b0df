-- The Redis side of todoke's log. The first line, and the prefix of the functions' names, are put before this text when
-- it is loaded; its hash is part of the names, so that nodes of different versions do not call each other's functions.
--
-- KEYS[1] of every function is PREFIX meta, where PREFIX ends with a colon and is hash-tagged; beside it stand
--   meta     hash    what open and publish keep: format, cluster, epoch, head, owner …
--   log      stream  what nodes tail: an entry holds up to a few hundred messages, its id is the offset of the last
--   c:NAME   stream  a channel's messages, each with its offset as the id
--   state    hash    by channel: a packed record, see record
--   index    zset    channels by the offset of their newest message
--   due      zset    channels by the time at which the sweeper looks at them
--   horizon  hash    by namespace: the greatest offset lost with the state of a channel; "*" is for all others
--   marks    list    offsets at which the log may be cut
--   k:NAME KEY       an idempotency key's first use
--   seat     string  is not replicated: tells a server that was restarted from a replica that took over

local never = 1 / 0
local most_horizons = 1024   -- namespaces with a horizon of their own; later ones share one
local entry_messages = 256   -- of one entry of the log
local entry_bytes = 262144   -- after which an entry of the log is full
local log_parts = 16         -- the log is cut in parts of this size

-- here says which run of which server this is, and since when it is a primary. A replica that took over, a server that
-- was restarted or that was a replica for a while is another one. owner, in meta, is the one that was opened.
local here = nil

local function identify()
  local server = redis.call('INFO', 'server')
  local replication = redis.call('INFO', 'replication')
  here = string.match(server, 'run_id:(%x+)') .. ':' .. string.match(replication, 'master_replid:(%x+)')
  return replication
end

local function prefix_of(keys)
  return string.sub(keys[1], 1, -5)
end

local function namespace_of(channel)
  return string.match(channel, '^([^:]*):') or ''
end

-- A record is what is known of a channel while it has messages:
-- n: messages so far; bytes: … and their bytes; floor: the horizon when it appeared; checked: bytes when it was last
-- trimmed; due: when it has to be trimmed; gone: the greatest offset that trim knows to be lost.
local function unpack_record(text)
  local n, bytes, floor, checked, due, gone = struct.unpack('<dddddd', text)
  return {n = n, bytes = bytes, floor = floor, checked = checked, due = due, gone = gone}
end

local function pack_record(r)
  return struct.pack('<dddddd', r.n, r.bytes, r.floor, r.checked, r.due, r.gone)
end

-- ttl_of reads the time to live, in microseconds, out of an encoded message; 0 is none. See codec.go.
local function ttl_of(message)
  if string.byte(message, 1) ~= 2 then return 0 end
  return struct.unpack('<i8', message, 2) / 1000
end

local function raise_horizon(prefix, channel, offset)
  local key, name = prefix .. 'horizon', namespace_of(channel)
  local before = redis.call('HGET', key, name)
  if not before and redis.call('HLEN', key) >= most_horizons then
    name = '*'
    before = redis.call('HGET', key, name)
  end
  if not before or tonumber(before) < offset then
    redis.call('HSET', key, name, offset)
  end
end

local function horizon_of(prefix, channel)
  local found = redis.call('HMGET', prefix .. 'horizon', namespace_of(channel), '*')
  return math.max(tonumber(found[1] or 0), tonumber(found[2] or 0))
end

local function forget(prefix, channel)
  redis.call('UNLINK', prefix .. 'c:' .. channel)
  redis.call('HDEL', prefix .. 'state', channel)
  redis.call('ZREM', prefix .. 'index', channel)
  redis.call('ZREM', prefix .. 'due', channel)
end

-- trim lets go of what the limits do not keep, and what has expired, at the front of a channel, but for the newest message
-- lost: it stays as the proof of what was lost. It returns false if nothing is left to be read, else the time at which
-- it has to look again.
local function trim(prefix, channel, r, limits, now)
  local key = prefix .. 'c:' .. channel
  local from, count = '-', 2
  local lost, past, kept = nil, nil, nil
  repeat
    local entries = redis.call('XRANGE', key, from, '+', 'COUNT', count)
    for _, entry in ipairs(entries) do
      local at, n, before = struct.unpack('<ddd', entry[2][2])
      local ttl = ttl_of(entry[2][4])
      local over = ttl > 0 and now - at >= ttl
      local old = limits.age >= 0 and now - at >= limits.age
      local outside = r.n - n >= limits.messages or limits.bytes >= 0 and r.bytes - before > limits.bytes
      if (outside or old) and not over then
        lost = entry[1]
      elseif not (outside or old or over) then
        kept = {id = entry[1], at = at, ttl = ttl}
        break
      elseif outside and n > 1 and not lost then
        lost = entry[1] -- its own time was over, but that of those before it is not known any more
      end
      past = entry[1]
    end
    if kept or #entries < count then break end
    from, count = '(' .. past, 64
  until false
  r.checked = r.bytes
  if lost then
    r.gone = math.max(r.gone, tonumber(string.match(lost, '^%d+')))
    redis.call('XTRIM', key, 'MINID', lost)
  elseif past and kept then
    redis.call('XTRIM', key, 'MINID', kept.id)
  end
  if not kept then return false end
  local due = never
  if limits.age >= 0 then due = math.max(kept.at + limits.age, now + limits.age / 8) end
  if kept.ttl > 0 then due = math.min(due, math.max(kept.at + kept.ttl, now + 1000000)) end
  r.due = due
  return due
end

-- read_limits takes count limits of channels (messages, bytes, age in microseconds) from args.
local function read_limits(args, first, count)
  local all = {}
  for i = 1, count do
    all[i] = {messages = tonumber(args[first]), bytes = tonumber(args[first + 1]), age = tonumber(args[first + 2])}
    first = first + 3
  end
  return all, first
end

-- cut bounds the log: at every 16th part of what it may hold a mark is set, and what lies before the 16th mark goes.
local function cut(prefix, head, messages, bytes, most_messages, most_bytes)
  if messages * log_parts < most_messages and bytes * log_parts < most_bytes then return messages, bytes end
  if redis.call('RPUSH', prefix .. 'marks', head) > log_parts then
    local upto = redis.call('LPOP', prefix .. 'marks')
    redis.call('XTRIM', prefix .. 'log', 'MINID', '~', tonumber(upto) + 1)
  end
  return 0, 0
end

-- records_of reads the records of all channels of a batch.
local function records_of(prefix, args, first, stride)
  local names, seen = {}, {}
  for i = first, #args, stride do
    if not seen[args[i]] then
      seen[args[i]] = true
      names[#names + 1] = args[i]
    end
  end
  local records = {}
  for at = 1, #names, 1000 do
    local last = math.min(at + 999, #names)
    local found = redis.call('HMGET', prefix .. 'state', unpack(names, at, last))
    for i = at, last do
      local text = found[i - at + 1]
      records[names[i]] = text and unpack_record(text) or false
    end
  end
  return names, records
end

-- appear makes the record of a channel that has none.
local function appear(prefix, channel, limits, now)
  local due = never
  if limits.age >= 0 then
    due = now + limits.age * 1.125
    redis.call('ZADD', prefix .. 'due', now + limits.age, channel)
  end
  return {n = 0, bytes = 0, floor = horizon_of(prefix, channel), checked = 0, due = due, gone = 0}
end

-- store puts a message into its channel.
local function store(prefix, channel, r, limits, message, head, now)
  r.n = r.n + 1
  redis.call('XADD', prefix .. 'c:' .. channel, 'MAXLEN', '~', limits.messages + 1, head,
    'h', struct.pack('<ddd', now, r.n, r.bytes), 'm', message)
  r.bytes = r.bytes + #message
  r.head, r.limits = head, limits
  if limits.age < 0 and string.byte(message, 1) == 2 then
    redis.call('ZADD', prefix .. 'due', 'LT', now + ttl_of(message), channel)
  end
end

-- settle writes the records that changed, and trims where it is time.
local function settle(prefix, names, records, now)
  local state, index = {}, {}
  local function flush()
    if #state == 0 then return end
    redis.call('HSET', prefix .. 'state', unpack(state))
    redis.call('ZADD', prefix .. 'index', unpack(index))
    state, index = {}, {}
  end
  for _, channel in ipairs(names) do
    local r = records[channel]
    if r and r.head then
      local limits = r.limits
      if now >= r.due or limits.bytes >= 0 and (r.bytes - r.checked) * 8 > limits.bytes then
        trim(prefix, channel, r, limits, now)
      end
      state[#state + 1], state[#state + 2] = channel, pack_record(r)
      index[#index + 1], index[#index + 2] = r.head, channel
      if #state >= 1000 then flush() end
    end
  end
  flush()
end

-- publish appends a batch, or nothing: everything that can be refused is refused before the first write.
-- args: epoch, window (ms; 0: keys are not kept), most messages and bytes of the log, arguments of one message,
-- number of limits, the limits; then for each message: channel, message and, where there are four, key and number of its limits.
-- Returns the head, the time, and for each duplicate: its number in the batch, first offset, first time.
local function publish(keys, args)
  local prefix = prefix_of(keys)
  local meta = redis.call('HMGET', keys[1], 'owner', 'epoch', 'head', 'time', 'unmarked', 'unmarked_bytes')
  if not here or meta[1] ~= here then return redis.error_reply('TODOKEREOPEN another run of the server') end
  if meta[2] ~= args[1] then return redis.error_reply('TODOKEREOPEN another epoch') end
  local clock = redis.call('TIME')
  local now = math.max(clock[1] * 1000000 + clock[2], tonumber(meta[4]))
  local head = tonumber(meta[3])
  local window, stride = tonumber(args[2]), tonumber(args[5])
  local limits, first = read_limits(args, 7, tonumber(args[6]))
  local names, records = records_of(prefix, args, first, stride)
  local answer = {0, now}
  local entry, size, unmarked, unmarked_bytes = {}, 0, tonumber(meta[5]), tonumber(meta[6])
  local function flush()
    if #entry == 0 then return end
    redis.call('XADD', prefix .. 'log', head, 'e', args[1], 't', now, unpack(entry))
    unmarked, unmarked_bytes = cut(prefix, head, unmarked + #entry / 2, unmarked_bytes + size, tonumber(args[3]), tonumber(args[4]))
    entry, size = {}, 0
  end
  local number = 0
  for i = first, #args, stride do
    local channel, message = args[i], args[i + 1]
    local key, used, own = nil, false, limits[1]
    number = number + 1
    if stride == 4 then
      own = limits[tonumber(args[i + 3])]
      if args[i + 2] ~= '' and window > 0 then
        key = prefix .. 'k:' .. channel .. ' ' .. args[i + 2]
        used = redis.call('GET', key)
      end
    end
    if used then
      local offset, time = string.match(used, '^(%d+) (%d+)$')
      answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = number, tonumber(offset), tonumber(time)
    else
      head = head + 1
      if key then redis.call('SET', key, string.format('%.0f %.0f', head, now), 'PX', window) end
      if own.messages < 0 then
        if records[channel] then
          forget(prefix, channel)
          records[channel] = false
        end
        raise_horizon(prefix, channel, head)
      else
        local r = records[channel] or appear(prefix, channel, own, now)
        records[channel] = r
        store(prefix, channel, r, own, message, head, now)
      end
      entry[#entry + 1], entry[#entry + 2] = channel, message
      size = size + #message
      if #entry >= 2 * entry_messages or size >= entry_bytes then flush() end
    end
  end
  flush()
  settle(prefix, names, records, now)
  if head > tonumber(meta[3]) then
    redis.call('HSET', keys[1], 'head', head, 'time', now, 'unmarked', unmarked, 'unmarked_bytes', unmarked_bytes)
  end
  answer[1] = head
  return answer
end

-- look tells what a reader has to know, and refuses when this is another run of the server than the one that was opened.
-- args: channel, or nothing. Returns term, epoch, head, base, now, record, horizon.
local function look(keys, args)
  if not here then identify() end
  local meta = redis.call('HMGET', keys[1], 'owner', 'term', 'epoch', 'head', 'base', 'time')
  if meta[1] ~= here then return redis.error_reply('TODOKEREOPEN another run of the server') end
  local clock = redis.call('TIME')
  local now = math.max(clock[1] * 1000000 + clock[2], tonumber(meta[6]))
  local answer = {tonumber(meta[2]), meta[3], tonumber(meta[4]), tonumber(meta[5]), now}
  if args[1] then
    local prefix = prefix_of(keys)
    answer[6] = redis.call('HGET', prefix .. 'state', args[1]) or ''
    answer[7] = horizon_of(prefix, args[1])
  end
  return answer
end

-- sweep trims the channels that are due and forgets those with nothing left.
-- args: number of limits, the limits; then for each channel: its name, the number of its limits.
local function sweep(keys, args)
  local prefix = prefix_of(keys)
  local meta = redis.call('HMGET', keys[1], 'owner', 'time', 'head', 'seated')
  if not here or meta[1] ~= here then return redis.error_reply('TODOKEREOPEN another run of the server') end
  local clock = redis.call('TIME')
  local now = math.max(clock[1] * 1000000 + clock[2], tonumber(meta[2]))
  local limits, first = read_limits(args, 2, tonumber(args[1]))
  for i = first, #args, 2 do
    local channel, own = args[i], limits[tonumber(args[i + 1])]
    local text = redis.call('HGET', prefix .. 'state', channel)
    if not text then
      redis.call('ZREM', prefix .. 'due', channel)
    else
      local r = unpack_record(text)
      local due = trim(prefix, channel, r, own, now)
      if due then
        redis.call('HSET', prefix .. 'state', channel, pack_record(r))
        if due == never then
          redis.call('ZREM', prefix .. 'due', channel)
        else
          redis.call('ZADD', prefix .. 'due', due, channel)
        end
      else
        forget(prefix, channel)
        if r.gone > 0 then raise_horizon(prefix, channel, r.gone) end
      end
    end
  end
  if meta[3] ~= meta[4] then -- see proven
    redis.call('HSET', keys[1], 'seated', meta[3])
    redis.set_repl(redis.REPL_AOF)
    redis.call('SET', prefix .. 'seat', meta[3])
    redis.set_repl(redis.REPL_ALL)
  end
  local next = redis.call('ZRANGE', prefix .. 'due', 0, 0, 'WITHSCORES')
  return {now, next[2] and tonumber(next[2]) or 0}
end

-- proven reports whether this is the server that was opened last, come back with all that it had acknowledged: its
-- append-only file is synced before each answer, now as then, and it is no replica that took over. A replica never
-- gets the seat's new values, but for the one it finds when it copies everything; seated goes on after that.
local function proven(prefix, meta, synced, replication)
  local seat = redis.call('GET', prefix .. 'seat')
  return synced == '1' and meta.synced == '1' and seat and seat == meta.seated
    and string.match(replication, 'second_repl_offset:(%-?%d+)') == '-1'
end

local function foreign(prefix)
  local kinds = {meta = 'hash', log = 'stream', state = 'hash', index = 'zset', due = 'zset', horizon = 'hash', marks = 'list', seat = 'string'}
  local some = false
  for name, kind in pairs(kinds) do
    local found = redis.call('TYPE', prefix .. name)['ok']
    if found ~= 'none' and found ~= kind then return name .. ' is a ' .. found end
    some = some or found ~= 'none' and name ~= 'meta' and name
  end
  local format = redis.call('HGET', prefix .. 'meta', 'format')
  if not format and redis.call('EXISTS', prefix .. 'meta') == 1 then return 'meta has no format' end
  if not format and some then return some .. ' is there, and meta is not' end
  return nil
end

-- open takes this run of the server into use, and begins a new epoch unless nothing can have been lost.
-- args: format, cluster, a new epoch's name, 1 if each write is synced, and what the node knows: term, epoch, head.
-- Returns term, epoch, head, base.
local function open(keys, args)
  local prefix = prefix_of(keys)
  local fault = foreign(prefix)
  if fault then return redis.error_reply('TODOKEFOREIGN ' .. fault) end
  local meta = {}
  local flat = redis.call('HGETALL', keys[1])
  for i = 1, #flat, 2 do meta[flat[i]] = flat[i + 1] end
  if meta.format and meta.format ~= args[1] then return redis.error_reply('TODOKEFORMAT ' .. meta.format) end
  if meta.cluster and meta.cluster ~= args[2] then return redis.error_reply('TODOKECLUSTER ' .. meta.cluster) end
  local replication = identify()
  local known_term, known_epoch, known_head = tonumber(args[5]), args[6], tonumber(args[7])
  local term, head = tonumber(meta.term or 0), tonumber(meta.head or 0)
  local newest = redis.call('XREVRANGE', prefix .. 'log', '+', '-', 'COUNT', 1)[1]
  if newest and tonumber(string.match(newest[1], '^%d+')) > head then return redis.error_reply('TODOKEFOREIGN log goes beyond the head') end
  local same = meta.epoch and (meta.owner == here or proven(prefix, meta, args[4], replication))
  if same and known_epoch ~= '' then
    -- What the node knows is newer than what is here: an older copy, or another history.
    same = term > known_term or term == known_term and meta.epoch == known_epoch and head >= known_head
  end
  if not same then
    term = math.max(term, known_term) + 1
    redis.call('HSET', keys[1], 'format', args[1], 'cluster', args[2], 'term', term, 'epoch', args[3], 'base', head, 'head', head)
    if not meta.time then redis.call('HSET', keys[1], 'time', 0, 'unmarked', 0, 'unmarked_bytes', 0) end
    meta.epoch, meta.base = args[3], head
  end
  if meta.owner ~= here or meta.synced ~= args[4] or not same then
    local seat = args[3] .. ':' .. string.format('%.0f', head)
    redis.call('HSET', keys[1], 'owner', here, 'synced', args[4], 'seated', seat)
    redis.set_repl(redis.REPL_AOF)
    redis.call('SET', prefix .. 'seat', seat)
    redis.set_repl(redis.REPL_ALL)
  end
  return {term, meta.epoch, head, tonumber(meta.base)}
end

redis.register_function(NAME .. '_publish', publish)
redis.register_function{function_name = NAME .. '_look', callback = look, flags = {'no-writes'}}
redis.register_function{function_name = NAME .. '_sweep', callback = sweep, flags = {'allow-oom'}}
redis.register_function{function_name = NAME .. '_open', callback = open, flags = {'allow-oom'}}
