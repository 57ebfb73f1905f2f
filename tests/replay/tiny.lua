-- Something of everything that a trace holds: tables that grow, strings of all lengths, garbage.
local list = {}
for i = 1, 3000 do
  list[i] = { name = 'entry ' .. i, text = ('x'):rep(i % 700) }
  if i % 3 == 0 then list[i - 1] = false end
end
assert(#list == 3000)
