-- A meadow of animals, plants and events: objects of a few classes, closures, short messages.

local state = 2024
local function random(bound)
  state = (state * 1103515245 + 12345) % 2147483648
  return state // 65536 % bound
end

local function class(parent)
  local methods = setmetatable({}, { __index = parent })
  local meta = { __index = methods }
  methods.new = function(...)
    local object = setmetatable({}, meta)
    object:init(...)
    return object
  end
  return methods
end

local Vector = { __index = {} }
Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Vector) end
Vector.__sub = function(a, b) return setmetatable({ x = a.x - b.x, y = a.y - b.y }, Vector) end
Vector.__mul = function(a, k) return setmetatable({ x = a.x * k, y = a.y * k }, Vector) end
local function vector(x, y) return setmetatable({ x = x, y = y }, Vector) end

local Thing = class()
function Thing:init(world, position)
  self.world, self.position, self.age, self.alive = world, position, 0, true
end
function Thing:step() self.age = self.age + 1 end
function Thing:die(why)
  self.alive = false
  self.world:post({ kind = 'death', who = self, why = why, when = self.world.time })
end

local Plant = class(Thing)
function Plant:init(world, position)
  Thing.init(self, world, position)
  self.food = 5
end
function Plant:step()
  Thing.step(self)
  self.food = math.min(20, self.food + 1)
end

local Animal = class(Thing)
function Animal:init(world, position, energy)
  Thing.init(self, world, position)
  self.energy, self.velocity, self.path = energy, vector(random(5) - 2, random(5) - 2), {}
end
function Animal:step()
  Thing.step(self)
  self.velocity = self.velocity * 0.75 + vector(random(7) - 3, random(7) - 3)
  self.position = self.position + self.velocity
  self.path[#self.path + 1] = self.position
  if #self.path > 20 then self.path = { self.position } end
  self.energy = self.energy - 1
  local plant = self.world:plant_near(self.position)
  if plant and plant.food > 3 then
    plant.food = plant.food - 3
    self.energy = self.energy + 3
  end
  if self.energy > 60 then self:breed() end
  if self.energy <= 0 or self.age > 120 + random(60) then self:die('age or hunger') end
end
function Animal:breed()
  self.energy = self.energy - 30
  local child = self.new(self.world, self.position - self.velocity, 30)
  self.world:later(1 + random(4), function() self.world:add(child) end)
end

local World = class()
function World:init()
  self.time, self.things, self.events, self.timers, self.plants = 0, {}, {}, {}, {}
end
function World:add(thing) self.things[#self.things + 1] = thing end
function World:post(event) self.events[#self.events + 1] = event end
function World:later(delay, action)
  self.timers[#self.timers + 1] = { at = self.time + delay, action = action }
end
function World:plant_near(position)
  local column, row = math.floor(position.x) % 40, math.floor(position.y) % 40
  return self.plants[row * 40 + column + 1]
end
function World:step()
  self.time = self.time + 1
  for _, thing in ipairs(self.things) do thing:step() end
  local due, left = {}, {}
  for _, timer in ipairs(self.timers) do
    local list = timer.at <= self.time and due or left
    list[#list + 1] = timer
  end
  self.timers = left
  for _, timer in ipairs(due) do timer.action() end
  local living = {}
  for _, thing in ipairs(self.things) do
    if thing.alive then living[#living + 1] = thing end
  end
  self.things = living
  if #self.events > 2000 then self.events = {} end
end

local world = World.new()
for i = 1, 1600 do
  local plant = Plant.new(world, vector(i % 40, i // 40))
  world.plants[i] = plant
  world:add(plant)
end
for _ = 1, 1200 do
  world:add(Animal.new(world, vector(random(40), random(40)), 40 + random(20)))
end
for _ = 1, 420 do
  world:step()
  if #world.things < 2000 then
    world:add(Animal.new(world, vector(random(40), random(40)), 50))
  end
end
assert(world.time == 420 and #world.things > 1600)
