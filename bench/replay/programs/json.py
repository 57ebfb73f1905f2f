"""Writes a catalogue of nested records as JSON, reads it back, changes it, and again."""

import json
import random

rng = random.Random(42)
LETTERS = 'abcdefghijklmnopqrstuvwxyz'


def name():
    return ''.join(rng.choice(LETTERS) for _ in range(rng.randint(4, 18)))


def record(number):
    return {
        'id': number,
        'title': f'{name()} "{name()}"\n{name()}',
        'active': rng.random() < 0.5,
        'weight': rng.random() * 100,
        'tags': [name() for _ in range(rng.randint(0, 5))],
        'parts': [
            {'part': name(), 'count': rng.randint(0, 100), 'price': rng.randint(0, 9999) / 100}
            for _ in range(rng.randint(0, 4))
        ],
        'maker': {
            'name': name(),
            'city': name(),
            'position': [rng.random() * 180, rng.random() * 90],
        },
    }


catalogue = [record(number) for number in range(4000)]
for _ in range(5):
    text = json.dumps(catalogue, sort_keys=True, indent=1)
    back = json.loads(text)
    assert back == catalogue
    catalogue = back
    for _ in range(400):
        number = rng.randrange(len(catalogue))
        catalogue[number] = record(number)
assert len(text) > 1_000_000
