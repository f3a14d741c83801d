-- prelude.lua: what scripts may expect of Redis and miniredis does not have.
-- It stands in front of every script that mentions cjson or cmsgpack, joined to
-- one line so that the script's own lines keep their numbers. Therefore: whole
-- lines of comment only, and no line may depend on its end.
--
-- It sees the global cjson and leaves two locals in its place:
--   cjson     decode and encode raise on bad input, as on Redis
--   cmsgpack  pack(…) and unpack(text): the MessagePack of Redis's library, which
--             knows neither binary nor extension types
local cjson, cmsgpack = (function(native)

local function strict(f)
  return function(v)
    local result, problem = f(v)
    if problem then error(problem, 0) end
    return result
  end
end

local encode = strict(native.encode)
local json = {
  decode = strict(native.decode),
  encode = function(v)
    if type(v) == 'table' and next(v) == nil then return '{}' end
    return encode(v)
  end,
}

local byte, char, sub, floor = string.byte, string.char, string.sub, math.floor

-- number: the big-endian unsigned integer of n bytes at position i
local function number(text, i, n)
  if i + n - 1 > #text then error('Missing bytes in input.', 0) end
  local v = 0
  for k = i, i + n - 1 do v = v * 256 + byte(text, k) end
  return v
end

-- signed: the same in two's complement; eight bytes in halves, since 2^64 and a
-- small number together do not fit a Lua number
local signed
signed = function(text, i, n)
  if n == 8 then return signed(text, i, 4) * 2 ^ 32 + number(text, i + 4, 4) end
  local v = number(text, i, n)
  if byte(text, i) >= 128 then v = v - 256 ^ n end
  return v
end

-- float: IEEE 754 of n bytes with e bits of exponent; the first two bytes hold
-- the sign, the exponent and the highest bits of the mantissa
local function float(text, i, n, e)
  local top = number(text, i, 2)
  local sign = top >= 32768 and -1 or 1
  top = top % 32768
  local exponent = floor(top / 2 ^ (15 - e))
  local mantissa = (top % 2 ^ (15 - e)) * 2 ^ (n * 8 - 16) + number(text, i + 2, n - 2)
  local bias, m = 2 ^ (e - 1) - 1, n * 8 - 1 - e
  if exponent == 0 then return sign * mantissa * 2 ^ (1 - bias - m) end
  if exponent == 2 ^ e - 1 then
    if mantissa == 0 then return sign / 0 end
    return 0 / 0
  end
  return sign * (1 + mantissa / 2 ^ m) * 2 ^ (exponent - bias)
end

local value

local function text_of(text, i, n)
  if i + n - 1 > #text then error('Missing bytes in input.', 0) end
  return sub(text, i, i + n - 1), i + n
end

local function array(text, i, n)
  local t = {}
  for k = 1, n do t[k], i = value(text, i) end
  return t, i
end

local function map(text, i, n)
  local t = {}
  for _ = 1, n do
    local k, v
    k, i = value(text, i)
    v, i = value(text, i)
    if k ~= nil then t[k] = v end
  end
  return t, i
end

-- readers: first byte of a value → how to read what follows it
local readers = {
  [0xc0] = function(_, i) return nil, i end,
  [0xc2] = function(_, i) return false, i end,
  [0xc3] = function(_, i) return true, i end,
  [0xca] = function(t, i) return float(t, i, 4, 8), i + 4 end,
  [0xcb] = function(t, i) return float(t, i, 8, 11), i + 8 end,
}
for k = 0, 3 do
  local n = 2 ^ k
  readers[0xcc + k] = function(t, i) return number(t, i, n), i + n end
  readers[0xd0 + k] = function(t, i) return signed(t, i, n), i + n end
end
for k = 0, 2 do
  local n = 2 ^ k
  readers[0xd9 + k] = function(t, i) return text_of(t, i + n, number(t, i, n)) end
end
for k = 0, 1 do
  local n = 2 * (k + 1)
  readers[0xdc + k] = function(t, i) return array(t, i + n, number(t, i, n)) end
  readers[0xde + k] = function(t, i) return map(t, i + n, number(t, i, n)) end
end

value = function(text, i)
  local b = byte(text, i)
  if not b then error('Missing bytes in input.', 0) end
  if b < 0x80 then return b, i + 1 end
  if b >= 0xe0 then return b - 256, i + 1 end
  if b < 0x90 then return map(text, i + 1, b - 0x80) end
  if b < 0xa0 then return array(text, i + 1, b - 0x90) end
  if b < 0xc0 then return text_of(text, i + 1, b - 0xa0) end
  local read = readers[b]
  if not read then error('Bad data format in input.', 0) end
  return read(text, i + 1)
end

-- big: v as n bytes, big-endian
local function big(v, n)
  local t = {}
  for k = n, 1, -1 do
    t[k] = char(v % 256)
    v = floor(v / 256)
  end
  return table.concat(t)
end

local function head(n, fix, limit, code16, code32)
  if n < limit then return char(fix + n) end
  if n < 65536 then return char(code16) .. big(n, 2) end
  return char(code32) .. big(n, 4)
end

local function pack_string(s)
  if #s >= 32 and #s < 256 then return char(0xd9, #s) .. s end
  return head(#s, 0xa0, 32, 0xda, 0xdb) .. s
end

local function pack_double(v)
  if v ~= v then return char(0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0) end
  local sign = v < 0 and 0x80 or 0
  v = math.abs(v)
  if v == 1 / 0 then return char(0xcb, sign + 0x7f, 0xf0, 0, 0, 0, 0, 0, 0) end
  local mantissa, exponent = math.frexp(v)
  exponent = exponent + 1022
  if exponent < 1 then
    mantissa = mantissa * 2 ^ (exponent + 52)
    exponent = 0
  else
    mantissa = (mantissa * 2 - 1) * 2 ^ 52
  end
  local high = floor(mantissa / 2 ^ 48)
  return char(0xcb, sign + floor(exponent / 16), exponent % 16 * 16 + high) .. big(mantissa % 2 ^ 48, 6)
end

local function pack_number(v)
  if v ~= floor(v) or v >= 2 ^ 63 or v < -2 ^ 63 then return pack_double(v) end
  if v >= 0 then
    if v < 128 then return char(v) end
    for k = 0, 3 do
      if v < 256 ^ (2 ^ k) then return char(0xcc + k) .. big(v, 2 ^ k) end
    end
  end
  if v >= -32 then return char(256 + v) end
  for k = 0, 2 do
    local n = 2 ^ k
    if v >= -(256 ^ n) / 2 then return char(0xd0 + k) .. big(v + 256 ^ n, n) end
  end
  local low = v % 2 ^ 32
  return char(0xd3) .. big((v - low) / 2 ^ 32 + 2 ^ 32, 4) .. big(low, 4)
end

-- list: how many elements t has if it is an array, else nil
local function list(t)
  local n = 0
  for k in pairs(t) do
    if type(k) ~= 'number' or k < 1 or k ~= floor(k) then return nil end
    n = n + 1
  end
  if n == #t then return n end
  return nil
end

local pack

local function pack_table(t, depth)
  if depth > 15 then return char(0xc0) end
  local n = list(t)
  local parts = {}
  if n then
    for k = 1, n do parts[k] = pack(t[k], depth) end
    return head(n, 0x90, 16, 0xdc, 0xdd) .. table.concat(parts)
  end
  n = 0
  for k, v in pairs(t) do
    n = n + 1
    parts[n] = pack(k, depth) .. pack(v, depth)
  end
  return head(n, 0x80, 16, 0xde, 0xdf) .. table.concat(parts)
end

pack = function(v, depth)
  local kind = type(v)
  if kind == 'string' then return pack_string(v) end
  if kind == 'number' then return pack_number(v) end
  if kind == 'boolean' then return char(v and 0xc3 or 0xc2) end
  if kind == 'table' then return pack_table(v, depth + 1) end
  return char(0xc0)
end

return json, {
  pack = function(...)
    local parts = {}
    for k = 1, select('#', ...) do parts[k] = pack((select(k, ...)), 0) end
    return table.concat(parts)
  end,
  unpack = function(text)
    local values, n, i = {}, 0, 1
    while i <= #text do
      n = n + 1
      values[n], i = value(text, i)
    end
    return unpack(values, 1, n)
  end,
}

end)(cjson)
