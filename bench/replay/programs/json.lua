-- Writes a catalogue of nested records as JSON, reads it back, changes it, and again.

local function lcg(state)
  return function(bound)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % bound
  end
end

local escapes = { ['"'] = '\\"', ['\\'] = '\\\\', ['\n'] = '\\n', ['\t'] = '\\t' }
local unescapes = { ['"'] = '"', ['\\'] = '\\', ['/'] = '/', n = '\n', t = '\t', r = '\r' }

local function dump_string(text, out)
  out[#out + 1] = '"' .. text:gsub('["\\\n\t]', escapes) .. '"'
end

local dump

local function dump_array(array, out)
  out[#out + 1] = '['
  for i, value in ipairs(array) do
    if i > 1 then out[#out + 1] = ',' end
    dump(value, out)
  end
  out[#out + 1] = ']'
end

local function dump_object(object, out)
  local keys = {}
  for key in pairs(object) do keys[#keys + 1] = key end
  table.sort(keys)
  out[#out + 1] = '{'
  for i, key in ipairs(keys) do
    if i > 1 then out[#out + 1] = ',' end
    dump_string(key, out)
    out[#out + 1] = ':'
    dump(object[key], out)
  end
  out[#out + 1] = '}'
end

function dump(value, out)
  local kind = type(value)
  if kind == 'string' then
    dump_string(value, out)
  elseif kind == 'table' then
    if value[1] ~= nil or next(value) == nil then dump_array(value, out)
    else dump_object(value, out) end
  else
    out[#out + 1] = tostring(value)
  end
end

local load_value

local function skip(text, at) return text:find('[^ \n\t\r]', at) or #text + 1 end

local function load_string(text, at)
  local parts, start = {}, at + 1
  while true do
    local stop = text:find('["\\]', start)
    assert(stop, 'a string without an end')
    parts[#parts + 1] = text:sub(start, stop - 1)
    if text:sub(stop, stop) == '"' then return table.concat(parts), stop + 1 end
    parts[#parts + 1] = assert(unescapes[text:sub(stop + 1, stop + 1)], 'an unknown escape')
    start = stop + 2
  end
end

local function load_array(text, at)
  local array = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == ']' then return array, at + 1 end
  while true do
    array[#array + 1], at = load_value(text, at)
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == ']' then return array, at + 1 end
    assert(mark == ',', 'a comma is missing')
    at = skip(text, at + 1)
  end
end

local function load_object(text, at)
  local object = {}
  at = skip(text, at + 1)
  if text:sub(at, at) == '}' then return object, at + 1 end
  while true do
    local key
    key, at = load_string(text, at)
    at = skip(text, at)
    assert(text:sub(at, at) == ':', 'a colon is missing')
    object[key], at = load_value(text, skip(text, at + 1))
    at = skip(text, at)
    local mark = text:sub(at, at)
    if mark == '}' then return object, at + 1 end
    assert(mark == ',', 'a comma is missing')
    at = skip(text, at + 1)
  end
end

function load_value(text, at)
  local first = text:sub(at, at)
  if first == '{' then return load_object(text, at) end
  if first == '[' then return load_array(text, at) end
  if first == '"' then return load_string(text, at) end
  local word = text:match('^[%a]+', at)
  if word then return word == 'true', at + #word end
  local number = assert(text:match('^-?[%d.eE+-]+', at), 'not a value')
  return tonumber(number), at + #number
end

local random = lcg(42)

local function name()
  local letters = {}
  for i = 1, 4 + random(14) do letters[i] = string.char(97 + random(26)) end
  return table.concat(letters)
end

local function record(id)
  local tags, parts = {}, {}
  for i = 1, random(5) do tags[i] = name() end
  for i = 1, random(4) do
    parts[i] = { part = name(), count = random(100), price = random(10000) / 100 }
  end
  return {
    id = id, title = name() .. ' "' .. name() .. '"\n' .. name(), active = random(2) == 1,
    weight = random(100000) / 1000, tags = tags, parts = parts,
    maker = { name = name(), city = name(), position = { random(180) + 0.5, random(90) + 0.25 } },
  }
end

local catalogue = {}
for id = 1, 4000 do catalogue[id] = record(id) end
local length
for _ = 1, 8 do
  local out = {}
  dump(catalogue, out)
  local text = table.concat(out)
  local back, stop = load_value(text, 1)
  assert(stop == #text + 1 and #back == #catalogue)
  local again = {}
  dump(back, again)
  assert(table.concat(again) == text, 'what was read is not what was written')
  catalogue = back
  for _ = 1, 400 do
    local id = random(#catalogue) + 1
    catalogue[id] = record(id)
  end
  length = #text
end
assert(length > 1000000)
