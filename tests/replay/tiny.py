"""Something of everything that a trace holds: lists that grow, strings of all lengths, garbage."""
entries = []
for i in range(3000):
    entries.append({'name': f'entry {i}', 'text': 'x' * (i % 700)})
    if i % 3 == 0:
        entries[i // 2] = None
assert len(entries) == 3000
