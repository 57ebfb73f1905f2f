"""Counts the words and the pairs of neighbouring words of a text, and lists the most frequent."""

import collections
import random
import re

rng = random.Random(7)
HEADS = 'b d f g k l m n p r s t v sh'.split()
TAILS = 'a e i o u an el or'.split()
SYLLABLES = [head + tail for head in HEADS for tail in TAILS]
vocabulary = [
    ''.join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 4))) for _ in range(12000)
]


def word():
    """Small indices are frequent, as in a language."""
    return vocabulary[int(len(vocabulary) * rng.random() ** 3)]


def paragraph():
    sentences = []
    for _ in range(rng.randint(4, 12)):
        words = [word() for _ in range(rng.randint(5, 20))]
        words[0] = words[0].capitalize()
        sentences.append((', ' if rng.random() < 0.1 else ' ').join(words) + '.')
    return ' '.join(sentences)


counts = collections.Counter()
pairs = collections.Counter()
places = collections.defaultdict(list)
for number in range(4500):
    previous = None
    for found in re.finditer(r'[A-Za-z]+', paragraph()):
        key = found.group().lower()
        counts[key] += 1
        places[key].append(number)
        if previous:
            pairs[previous, key] += 1
        previous = key


def report(table):
    ordered = sorted(table.items(), key=lambda item: (-item[1], item[0]))
    return '\n'.join(f'{count:6d}  {key}' for key, count in ordered[:5000])


assert len(report(counts)) > 10000 and len(report(pairs)) > 10000
assert sum(counts.values()) > 300000
