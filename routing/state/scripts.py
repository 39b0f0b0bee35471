"""The few things that must happen at once in Redis, in its Lua. All keys carry one hash tag, so that a
cluster keeps them on one node; moments are Redis's own clock, so machines need not agree on theirs.
"""

from __future__ import annotations

PREFIX = "{cliproxy}:"
CHANNEL = PREFIX + "changes"
TURNS = PREFIX + "turns"
RINGS = PREFIX + "rings"

TELL = """
local totals = {}
local flat = {}
for i = 4, #ARGV, 2 do
  local total = redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
  totals[ARGV[i]] = total
  flat[#flat + 1] = total
end
redis.call('PUBLISH', ARGV[1], '{"origin":"' .. ARGV[2] .. '","turns":' .. cjson.encode(totals) ..
  ',"changes":' .. ARGV[3] .. '}')
return flat
"""
"""KEYS: the turns. ARGV: channel, origin, changes as JSON, then rotation and number of turns in pairs.
Returns what each rotation now stands at, and tells everybody in the same step."""

RAISE_TURNS = """
local flat = {}
for i = 1, #ARGV, 2 do
  local held = tonumber(redis.call('HGET', KEYS[1], ARGV[i]) or '0')
  local mine = tonumber(ARGV[i + 1])
  if mine > held then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    held = mine
  end
  flat[#flat + 1] = held
end
return flat
"""
"""KEYS: the turns. ARGV: rotation and where it stands here, in pairs. Returns the higher of the two each."""

ADMIT = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local lease, lease_s = ARGV[1], tonumber(ARGV[2])
local spans = {{60, 1}, {60, 1}, {86400, 1440}, {86400, 1440}}
local wait, busy, told, counts = 0, 0, {}, {}
for claim = 0, #KEYS / 5 - 1 do
  for w = 1, 4 do
    local limit = tonumber(ARGV[2 + claim * 6 + w])
    local used, newest = 0, 0
    if limit > 0 then
      local key, length, width = KEYS[claim * 5 + w], spans[w][1], spans[w][2]
      local first = math.floor((now - length) / width)
      local flat = redis.call('HGETALL', key)
      local buckets = {}
      for i = 1, #flat, 2 do
        local bucket, count = tonumber(flat[i]), tonumber(flat[i + 1])
        if bucket < first then
          redis.call('HDEL', key, flat[i])
        else
          used = used + count
          buckets[#buckets + 1] = {bucket, count}
          if count > 0 and bucket > newest then newest = bucket end
        end
      end
      if used >= limit then
        table.sort(buckets, function(a, b) return a[1] < b[1] end)
        local rest, leaves = used, length
        for _, pair in ipairs(buckets) do
          rest = rest - pair[2]
          if rest < limit then
            leaves = (pair[1] + 1) * width + length - now
            break
          end
        end
        if leaves > wait then wait = leaves end
      end
      local reset = 0
      if newest > 0 then reset = (newest + 1) * width + length - now end
      told[#told + 1] = used
      told[#told + 1] = math.ceil(reset * 1000)
    else
      told[#told + 1] = -1
      told[#told + 1] = -1
    end
    counts[#counts + 1] = limit
  end
  local places = tonumber(ARGV[2 + claim * 6 + 5])
  if places > 0 then
    local held = KEYS[claim * 5 + 5]
    redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
    if redis.call('ZCARD', held) >= places then busy = 1 end
  end
end
if wait == 0 and busy == 0 then
  for claim = 0, #KEYS / 5 - 1 do
    local tokens = tonumber(ARGV[2 + claim * 6 + 6])
    local add = {1, tokens, 1, tokens}
    for w = 1, 4 do
      if counts[claim * 4 + w] > 0 and add[w] > 0 then
        local key, length, width = KEYS[claim * 5 + w], spans[w][1], spans[w][2]
        redis.call('HINCRBY', key, math.floor(now / width), add[w])
        redis.call('EXPIRE', key, length + 2 * width)
      end
    end
    if tonumber(ARGV[2 + claim * 6 + 5]) > 0 then
      redis.call('ZADD', KEYS[claim * 5 + 5], now + lease_s, lease)
      redis.call('EXPIRE', KEYS[claim * 5 + 5], 2 * lease_s)
    end
  end
end
table.insert(told, 1, math.floor(now * 1000))
table.insert(told, 1, busy)
table.insert(told, 1, math.ceil(wait * 1000))
return told
"""
"""The windows of ``windows.py``, for several claims at once: all are taken or none.

KEYS, five for each claim: requests and tokens of the minute, of the day, and the places held. ARGV: lease,
its life in seconds, then for each claim its rpm, tpm, rpd, tpd, places and the tokens to reserve. Returns
the wait in ms, 1 where only an ending request frees a place, the moment in ms, and for each window what was
used before and the ms until it is empty again (-1 where there is no limit)."""

SETTLE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1000000
local spans = {{60, 1}, {86400, 1440}}
local taken, lease = tonumber(ARGV[1]), ARGV[2]
for claim = 0, #KEYS / 3 - 1 do
  local reserved, used = tonumber(ARGV[3 + claim * 4]), tonumber(ARGV[4 + claim * 4])
  for w = 1, 2 do
    if tonumber(ARGV[4 + claim * 4 + w]) > 0 then
      local key, length, width = KEYS[claim * 3 + w], spans[w][1], spans[w][2]
      local bucket = math.floor(taken / width)
      if reserved > 0 and redis.call('HEXISTS', key, bucket) == 1 then
        redis.call('HINCRBY', key, bucket, -reserved)
      end
      if used > 0 then
        redis.call('HINCRBY', key, math.floor(now / width), used)
        redis.call('EXPIRE', key, length + 2 * width)
      end
    end
  end
  redis.call('ZREM', KEYS[claim * 3 + 3], lease)
end
return 0
"""
"""KEYS, three for each claim: tokens of the minute and of the day, places held. ARGV: when it was taken
(Redis's seconds), lease, then for each claim tokens reserved, used, tpm, tpd."""

RENEW = """
local t = redis.call('TIME')
local lease_s = tonumber(ARGV[1])
for i = 1, #KEYS do
  redis.call('ZADD', KEYS[i], tonumber(t[1]) + lease_s, ARGV[i + 1])
  redis.call('EXPIRE', KEYS[i], 2 * lease_s)
end
return 0
"""
"""KEYS: places held, one for each lease. ARGV: the life in seconds, then the leases."""
