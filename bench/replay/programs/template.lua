-- A template engine: templates become Lua functions, which render pages with escapes and filters.

local filters = {
  upper = string.upper,
  title = function(text)
    return (text:gsub('(%a)(%w*)', function(first, rest) return first:upper() .. rest end))
  end,
  money = function(number) return string.format('%.2f', number) end,
}
local entities = { ['<'] = '&lt;', ['>'] = '&gt;', ['&'] = '&amp;', ['"'] = '&quot;' }

local function escape(value) return (tostring(value):gsub('[<>&"]', entities)) end

local function lookup(scope, path)
  local value = scope
  for key in path:gmatch('[^.]+') do
    if value == nil then return '' end
    value = value[key]
  end
  return value == nil and '' or value
end

-- {{ path | filter }}, {% for name in path %}, {% if path %}, {% end %}.
local function compile(text)
  local code = { 'local out, lookup, escape, filters, scope = ...' }
  local at = 1
  while true do
    local start, stop, mark, body = text:find('{([{%%])%s*(.-)%s*[}%%]}', at)
    code[#code + 1] = string.format('out[#out + 1] = %q', text:sub(at, (start or 0) - 1))
    if not start then break end
    if mark == '{' then
      local path, filter = body:match('^([%w_.]+)%s*|%s*(%w+)$')
      local value = string.format('lookup(scope, %q)', path or body)
      if filter then value = string.format('filters.%s(%s)', filter, value) end
      code[#code + 1] = 'out[#out + 1] = escape(' .. value .. ')'
    else
      local name, path = body:match('^for (%w+) in ([%w_.]+)$')
      if name then
        code[#code + 1] = string.format(
          'for _, item in ipairs(lookup(scope, %q)) do local scope = ' ..
          'setmetatable({ %s = item }, { __index = scope })', path, name)
      elseif body == 'end' then
        code[#code + 1] = 'end'
      else
        code[#code + 1] = string.format('if lookup(scope, %q) ~= "" then', body:match('^if (.+)$'))
      end
    end
    at = stop + 1
  end
  return assert(load(table.concat(code, '\n')))
end

local function render(page, scope)
  local out = {}
  page(out, lookup, escape, filters, scope)
  return table.concat(out)
end

local source = [[
<html><head><title>{{ title | title }}</title></head><body>
<h1>{{ title | upper }}</h1>{% if user.name %}<p>Welcome, {{ user.name }}!</p>{% end %}
{% for section in sections %}<h2>{{ section.heading | title }}</h2>
<table>{% for row in section.rows %}<tr><td>{{ row.id }}</td><td>{{ row.label }}</td>
<td>{{ row.price | money }}</td><td>{% for tag in row.tags %}<i>{{ tag }}</i> {% end %}</td></tr>
{% end %}</table>{% end %}<p>{{ footer.note }}</p></body></html>]]

local state = 99
local function random(bound)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % bound
end

local function page_scope(number)
  local sections = {}
  for i = 1, 3 + random(3) do
    local rows = {}
    for j = 1, 5 + random(25) do
      local tags = {}
      for k = 1, random(4) do tags[k] = 'tag<' .. random(500) .. '>' end
      rows[j] = { id = number * 1000 + j, label = 'item "' .. random(100000) .. '" & more',
                  price = random(100000) / 100, tags = tags }
    end
    sections[i] = { heading = 'section number ' .. i, rows = rows }
  end
  return { title = 'page ' .. number, user = { name = 'reader ' .. random(1000) },
           sections = sections, footer = { note = 'made by a template' } }
end

-- A server keeps the pages rendered last; templates are compiled again now and then.
local cache, page = {}, nil
for number = 1, 900 do
  if number % 30 == 1 then page = compile(source) end
  local text = render(page, page_scope(number))
  assert(#text > 1000)
  cache[number % 100] = text
end
