-- All solutions of the n-queens problem, each step a new list of the queens so far.

local function safe(queens, column)
  local distance = 1
  local node = queens
  while node do
    local other = node.column
    if other == column or other == column + distance or other == column - distance then
      return false
    end
    distance = distance + 1
    node = node.rest
  end
  return true
end

local function extend(size, boards)
  local longer = {}
  for _, board in ipairs(boards) do
    for column = 1, size do
      if safe(board.queens, column) then
        longer[#longer + 1] = { queens = { column = column, rest = board.queens } }
      end
    end
  end
  return longer
end

local function text_of(board)
  local columns = {}
  local node = board.queens
  while node do
    columns[#columns + 1] = node.column
    node = node.rest
  end
  return table.concat(columns, ' ')
end

-- Breadth first, so that many boards are alive at once.
local function breadth_first(size)
  local boards = { { queens = nil } }
  for _ = 1, size do boards = extend(size, boards) end
  return #boards
end

-- Depth first, with a coroutine that hands out one solution after the other.
local function depth_first(size)
  local function place(queens, row)
    if row > size then coroutine.yield(text_of({ queens = queens })) end
    for column = 1, size do
      if row <= size and safe(queens, column) then
        place({ column = column, rest = queens }, row + 1)
      end
    end
  end
  local count, seen = 0, {}
  for solution in coroutine.wrap(function() place(nil, 1) end) do
    count = count + 1
    seen[solution] = true
  end
  return count
end

assert(breadth_first(8) == 92)
assert(breadth_first(9) == 352)
assert(breadth_first(10) == 724)
assert(breadth_first(11) == 2680)
assert(depth_first(10) == 724)
assert(depth_first(11) == 2680)
