-- Counts the words and the pairs of neighbouring words of a text, and lists the most frequent.

local state = 7
local function random(bound)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % bound
end

local syllables = {}
for _, head in ipairs { 'b', 'd', 'f', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'sh' } do
  for _, tail in ipairs { 'a', 'e', 'i', 'o', 'u', 'an', 'el', 'or' } do
    syllables[#syllables + 1] = head .. tail
  end
end

local vocabulary = {}
for i = 1, 12000 do
  local parts = {}
  for j = 1, 1 + random(4) do parts[j] = syllables[random(#syllables) + 1] end
  vocabulary[i] = table.concat(parts)
end

-- Small indices are frequent, as in a language.
local function word()
  local index = 1 + random(30000) * random(30000) // 30000 * random(30000) // 30000
  return vocabulary[1 + index % #vocabulary]
end

local function paragraph()
  local sentences = {}
  for i = 1, 4 + random(8) do
    local words = {}
    for j = 1, 5 + random(15) do words[j] = word() end
    words[1] = words[1]:sub(1, 1):upper() .. words[1]:sub(2)
    sentences[i] = table.concat(words, random(10) == 0 and ', ' or ' ') .. '.'
  end
  return table.concat(sentences, ' ')
end

local counts, pairs_of, places = {}, {}, {}
local total = 0
for number = 1, 4500 do
  local previous
  for found in paragraph():gmatch('%a+') do
    local key = found:lower()
    counts[key] = (counts[key] or 0) + 1
    local seen = places[key]
    if not seen then
      seen = {}
      places[key] = seen
    end
    seen[#seen + 1] = number
    if previous then
      local both = previous .. ' ' .. key
      pairs_of[both] = (pairs_of[both] or 0) + 1
    end
    previous = key
    total = total + 1
  end
end

local function report(table_of)
  local list = {}
  for key, count in pairs(table_of) do list[#list + 1] = { key = key, count = count } end
  table.sort(list, function(a, b)
    return a.count > b.count or a.count == b.count and a.key < b.key
  end)
  local lines = {}
  for i = 1, math.min(5000, #list) do
    lines[i] = string.format('%6d  %s', list[i].count, list[i].key)
  end
  return table.concat(lines, '\n')
end

assert(#report(counts) > 10000 and #report(pairs_of) > 10000 and total > 300000)
