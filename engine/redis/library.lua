-- The Redis side of todoke's log. The first line, and the prefix of the functions' names, are put before this text when
-- it is loaded; its hash is part of the names, so that nodes of different versions do not call each other's functions.
--
-- KEYS[1] of every function is PREFIX meta, where PREFIX ends with a colon and is hash-tagged; beside it stand
--   meta     hash    what open and publish keep: format, cluster, epoch, head, owner …
--   log      stream  what nodes tail: an entry holds a section, which is a batch or a part of a large one
--   c:NAME   stream  a channel's messages; those of one section are one entry
--   state    hash    by channel: a packed record, see record
--   index    zset    channels by the offset of their newest message
--   due      zset    channels by the time at which the sweeper looks at them
--   horizon  hash    by namespace: the greatest offset lost with the state of a channel; "*" is for all others
--   marks    list    offsets at which the log may be cut
--   k:NAME KEY       an idempotency key's first use
--   seat     string  is not replicated: tells a server that was restarted from a replica that took over
--
-- Nodes put the messages of a section together by channel before they send them: a group is, for each message, two numbers
-- of four bytes (how far its offset lies before the section's last, and its length) and the encoded message. Its bytes
-- count against the retention. The id of an entry is the offset of its last message. In log its fields are e (epoch), t
-- (time), and each channel with its group; in c:NAME it is m: four numbers (time, number of the first message, bytes before
-- it, last offset of the section) and the group.

local never = 1 / 0
local most_horizons = 1024   -- namespaces with a horizon of their own; later ones share one
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

-- text is a whole number as text: Redis would print it as a floating-point number, which is slow.
local function text(number)
  return string.format('%d', number)
end

local function prefix_of(keys)
  return string.sub(keys[1], 1, -5)
end

local function namespace_of(channel)
  return string.match(channel, '^([^:]*):') or ''
end

-- A record is what is known of a channel while it has messages:
-- n: messages so far; bytes: … and their bytes; floor: the horizon when it appeared; checked, checked_n: bytes and n when it
-- was last trimmed; due: when it has to be trimmed; gone: the greatest offset that trim knows to be lost; wide: n at
-- the last entry with several messages.
local function unpack_record(packed)
  local n, bytes, floor, gone, checked, checked_n, due, wide = struct.unpack('<dddddddd', packed)
  return {n = n, bytes = bytes, floor = floor, gone = gone, checked = checked, checked_n = checked_n, due = due, wide = wide}
end

local function pack_record(r)
  return struct.pack('<dddddddd', r.n, r.bytes, r.floor, r.gone, r.checked, r.checked_n, r.due, r.wide)
end

-- ttl_of reads the time to live, in microseconds, out of an encoded message that begins at first; 0 is none. See codec.go.
local function ttl_of(packed, first)
  if string.byte(packed, first) ~= 2 then return 0 end
  return struct.unpack('<i8', packed, first + 1) / 1000
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

-- judge_entry finds in an entry of a channel the newest message lost and the oldest kept. Go's judge does the same.
local function judge_entry(entry, r, limits, now)
  local packed = entry[2][2]
  local at, n, before, last = struct.unpack('<dddd', packed)
  local old = limits.age >= 0 and now - at >= limits.age
  local lost, place = nil, 33
  while place <= #packed do
    local back, length = struct.unpack('<I4I4', packed, place)
    local ttl = ttl_of(packed, place + 8)
    local over = ttl > 0 and now - at >= ttl
    local outside = r.n - n >= limits.messages or limits.bytes >= 0 and r.bytes - before > limits.bytes
    if not (outside or old or over) then return lost, {id = entry[1], at = at, ttl = ttl} end
    -- Where it is outside, its own time may be over and that of those before it is not known any more.
    if not over or outside and n > 1 then lost = last - back end
    n, before, place = n + 1, before + 8 + length, place + 8 + length
  end
  return lost, nil
end

-- trim lets go of what the limits do not keep, and what has expired, at the front of a channel, but for the newest message
-- lost: it stays as the proof of what was lost. It returns false if nothing is left to be read, else the time at which
-- it has to look again.
local function trim(prefix, channel, r, limits, now)
  local key = prefix .. 'c:' .. channel
  local from, count, kept, proof = '-', 2, nil, nil
  repeat
    local entries = redis.call('XRANGE', key, from, '+', 'COUNT', count)
    for _, entry in ipairs(entries) do
      local lost
      lost, kept = judge_entry(entry, r, limits, now)
      if lost then
        r.gone, proof = math.max(r.gone, lost), entry[1]
      end
      if kept then break end
      from = '(' .. entry[1]
    end
    local ended = kept or #entries < count
    count = 64
  until ended
  r.checked, r.checked_n = r.bytes, r.n
  if proof or kept then redis.call('XTRIM', key, 'MINID', proof or kept.id) end
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
    local messages = tonumber(args[first])
    all[i] = {messages = messages, bytes = tonumber(args[first + 1]), age = tonumber(args[first + 2]), most = text(messages + 1)}
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

-- read_sections takes what is to be appended from args, with the records of the channels. For each section: its number of messages,
-- its number of groups; for each group: channel, messages, and four numbers: how many there are, how far the last lies
-- before the section's, the number of the limits, the shortest TTL in microseconds or 0.
local function read_sections(prefix, args, place, limits)
  local sections, names, seen = {}, {}, {}
  while place <= #args do
    local section = {count = tonumber(args[place])}
    local groups = tonumber(args[place + 1])
    place = place + 2
    for i = 1, groups do
      local channel = args[place]
      local count, back, kind, ttl = struct.unpack('<I4I4I4d', args[place + 2])
      section[i] = {channel = channel, packed = args[place + 1], count = count, back = back, limits = limits[kind], ttl = ttl}
      if not seen[channel] then
        seen[channel] = true
        names[#names + 1] = channel
      end
      place = place + 3
    end
    sections[#sections + 1] = section
  end
  local records = {}
  for at = 1, #names, 1000 do
    local last = math.min(at + 999, #names)
    local found = redis.call('HMGET', prefix .. 'state', unpack(names, at, last))
    for i = at, last do
      local packed = found[i - at + 1]
      records[names[i]] = packed and unpack_record(packed) or false
    end
  end
  return sections, names, records
end

-- appear makes the record of a channel that has none.
local function appear(prefix, channel, limits, now)
  local due = never
  if limits.age >= 0 then
    due = now + limits.age * 1.125
    redis.call('ZADD', prefix .. 'due', now + limits.age, channel)
  end
  return {n = 0, bytes = 0, floor = horizon_of(prefix, channel), gone = 0, checked = 0, checked_n = 0, due = due, wide = -never}
end

-- store puts a group into its channel. last is the offset of the section's last message.
local function store(prefix, records, group, last, now)
  local channel, limits = group.channel, group.limits
  local head = last - group.back
  local r = records[channel]
  if limits.messages < 0 then
    if r then forget(prefix, channel) end
    records[channel] = false
    raise_horizon(prefix, channel, head)
    return
  end
  if not r then
    r = appear(prefix, channel, limits, now)
    records[channel] = r
  end
  local key, packed = prefix .. 'c:' .. channel, struct.pack('<dddd', now, r.n + 1, r.bytes, last) .. group.packed
  local n = r.n + group.count
  -- Redis trims whole blocks of entries, so it need not look each time.
  if n > limits.messages and math.floor(n / 16) > math.floor(r.n / 16) then
    redis.call('XADD', key, 'MAXLEN', '~', limits.most, text(head), 'm', packed)
  else
    redis.call('XADD', key, text(head), 'm', packed)
  end
  r.n, r.bytes, r.head, r.limits = n, r.bytes + #group.packed, head, limits
  if group.count > 1 then r.wide = r.n end
  if limits.age < 0 and group.ttl > 0 then redis.call('ZADD', prefix .. 'due', 'LT', now + group.ttl, channel) end
end

-- is_full reports whether it is time to trim a channel. In number, Redis trims by itself, by entries; what is left is to do so
-- when there are entries with several messages.
local function is_full(r, limits, now)
  return now >= r.due or limits.bytes >= 0 and (r.bytes - r.checked) * 8 > limits.bytes
    or r.n - r.wide < 2 * limits.messages and (r.n - r.checked_n) * 8 > math.max(limits.messages, 512)
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
      if is_full(r, r.limits, now) then trim(prefix, channel, r, r.limits, now) end
      state[#state + 1], state[#state + 2] = channel, pack_record(r)
      index[#index + 1], index[#index + 2] = text(r.head), channel
      if #state >= 1000 then flush() end
    end
  end
  flush()
end

-- used_keys looks for the first uses of idempotency keys.
local function used_keys(prefix, args, place, count, now)
  local answer = {-1, now}
  for i = place, place + 3 * (count - 1), 3 do
    local used = redis.call('GET', prefix .. 'k:' .. args[i] .. ' ' .. args[i + 1])
    if used then
      local offset, time = string.match(used, '^(%d+) (%d+)$')
      local last = #answer
      answer[last + 1], answer[last + 2], answer[last + 3] = tonumber(args[i + 2]), tonumber(offset), tonumber(time)
    end
  end
  return answer
end

-- log_section makes the entry of the log.
local function log_section(prefix, section, last, epoch, now)
  local fields, size = {}, 0
  for _, group in ipairs(section) do
    fields[#fields + 1], fields[#fields + 2] = group.channel, group.packed
    size = size + #group.packed
  end
  redis.call('XADD', prefix .. 'log', text(last), 'e', epoch, 't', now, unpack(fields))
  return size
end

-- publish appends a batch, or nothing: everything that can be refused is refused before the first write.
-- args: epoch, window (ms), most messages and bytes of the log, number of limits, the limits, number of keys; for each key: its
-- channel, the key, the number of its message in the batch; then the sections, see read_sections.
-- Returns the head and the time; or, if some keys were used before, -1, the time, and for each: the number of its message, the
-- first one's offset and time.
local function publish(keys, args)
  local prefix = prefix_of(keys)
  local meta = redis.call('HMGET', keys[1], 'owner', 'epoch', 'head', 'time', 'unmarked', 'unmarked_bytes')
  if not here or meta[1] ~= here then return redis.error_reply('TODOKEREOPEN another run of the server') end
  if meta[2] ~= args[1] then return redis.error_reply('TODOKEREOPEN another epoch') end
  local clock = redis.call('TIME')
  local now = math.max(clock[1] * 1000000 + clock[2], tonumber(meta[4]))
  local now_text, head = text(now), tonumber(meta[3])
  local limits, place = read_limits(args, 6, tonumber(args[5]))
  local keyed = tonumber(args[place])
  place = place + 1
  if keyed > 0 then
    local used = used_keys(prefix, args, place, keyed, now)
    if #used > 2 then return used end
    for i = place, place + 3 * (keyed - 1), 3 do
      redis.call('SET', prefix .. 'k:' .. args[i] .. ' ' .. args[i + 1], text(head + tonumber(args[i + 2])) .. ' ' .. now_text, 'PX', args[2])
    end
  end
  local sections, names, records = read_sections(prefix, args, place + 3 * keyed, limits)
  local unmarked, unmarked_bytes = tonumber(meta[5]), tonumber(meta[6])
  for _, section in ipairs(sections) do
    head = head + section.count
    for _, group in ipairs(section) do store(prefix, records, group, head, now) end
    local size = log_section(prefix, section, head, args[1], now_text)
    unmarked, unmarked_bytes = cut(prefix, head, unmarked + section.count, unmarked_bytes + size, tonumber(args[3]), tonumber(args[4]))
  end
  settle(prefix, names, records, now)
  redis.call('HSET', keys[1], 'head', text(head), 'time', now_text, 'unmarked', text(unmarked), 'unmarked_bytes', text(unmarked_bytes))
  return {head, now}
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
    if not meta.time then
      redis.call('HSET', keys[1], 'time', 0, 'unmarked', 0, 'unmarked_bytes', 0)
      -- Redis keeps small sets and hashes as lists, and finds things in them by walking. A name of over 64 bytes makes it use
      -- tables from the start. No channel has offset 0, and none has a blank in its name.
      local long = string.rep(' ', 65)
      redis.call('ZADD', prefix .. 'index', 0, long)
      redis.call('HSET', prefix .. 'state', long, '')
    end
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
