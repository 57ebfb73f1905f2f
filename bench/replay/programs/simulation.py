"""A meadow of animals, plants and events: objects of a few classes, closures, short messages."""

import dataclasses
import random

rng = random.Random(2024)


@dataclasses.dataclass(frozen=True)
class Vector:
    x: float
    y: float

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor)


class Event:
    __slots__ = ('kind', 'who', 'when', 'details')

    def __init__(self, kind, who, when, **details):
        self.kind, self.who, self.when, self.details = kind, who, when, details


class Thing:
    def __init__(self, world, position):
        self.world = world
        self.position = position
        self.age = 0
        self.alive = True

    def step(self):
        self.age += 1


class Plant(Thing):
    def __init__(self, world, position):
        super().__init__(world, position)
        self.food = 5

    def step(self):
        super().step()
        self.food = min(20, self.food + 1)


class Animal(Thing):
    def __init__(self, world, position, energy):
        super().__init__(world, position)
        self.energy = energy
        self.velocity = Vector(rng.randint(-2, 2), rng.randint(-2, 2))
        self.path = []

    def step(self):
        super().step()
        self.velocity = self.velocity * 0.75 + Vector(rng.randint(-3, 3), rng.randint(-3, 3))
        self.position = self.position + self.velocity
        self.path.append(self.position)
        if len(self.path) > 20:
            self.path = [self.position]
        self.energy -= 1
        plant = self.world.plants.get((int(self.position.x) % 40, int(self.position.y) % 40))
        if plant is not None and plant.food > 3:
            plant.food -= 3
            self.energy += 3
        if self.energy > 60:
            self.breed()
        if self.energy <= 0 or self.age > 120 + rng.randint(0, 60):
            self.alive = False
            self.world.events.append(Event('death', self, self.world.time, age=self.age))

    def breed(self):
        self.energy -= 30
        child = type(self)(self.world, self.position, 30)
        due = self.world.time + rng.randint(1, 4)
        self.world.timers.append((due, lambda: self.world.add(child)))


class World:
    def __init__(self):
        self.time, self.things, self.events, self.timers, self.plants = 0, [], [], [], {}

    def add(self, thing):
        self.things.append(thing)

    def step(self):
        self.time += 1
        for thing in self.things:
            thing.step()
        due = [action for at, action in self.timers if at <= self.time]
        self.timers = [timer for timer in self.timers if timer[0] > self.time]
        for action in due:
            action()
        self.things = [thing for thing in self.things if thing.alive]
        if len(self.events) > 2000:
            self.events.clear()


world = World()
for x in range(40):
    for y in range(40):
        plant = world.plants[x, y] = Plant(world, Vector(x, y))
        world.add(plant)
for _ in range(1200):
    world.add(Animal(world, Vector(rng.randrange(40), rng.randrange(40)), 40 + rng.randrange(20)))
for _ in range(160):
    world.step()
    if len(world.things) < 2000:
        world.add(Animal(world, Vector(rng.randrange(40), rng.randrange(40)), 50))
assert world.time == 160 and len(world.things) > 1600
