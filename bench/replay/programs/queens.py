"""All solutions of the n-queens problem, by generators, by lists of boards and by sets."""


def safe(queens, column):
    return all(
        other != column and abs(other - column) != distance
        for distance, other in enumerate(reversed(queens), 1)
    )


def breadth_first(size):
    """Many boards are alive at once."""
    boards = [()]
    for _ in range(size):
        boards = [
            board + (column,) for board in boards for column in range(size) if safe(board, column)
        ]
    return boards


def depth_first(size, queens=()):
    if len(queens) == size:
        yield queens
        return
    for column in range(size):
        if safe(queens, column):
            yield from depth_first(size, queens + (column,))


def by_sets(size, row=0, columns=frozenset(), rising=frozenset(), falling=frozenset()):
    if row == size:
        return 1
    return sum(
        by_sets(size, row + 1, columns | {c}, rising | {row + c}, falling | {row - c})
        for c in range(size)
        if c not in columns and row + c not in rising and row - c not in falling
    )


boards = breadth_first(9)
assert len(boards) == 352
texts = {' '.join(map(str, board)) for board in boards}
assert len(texts) == 352
assert sum(1 for _ in depth_first(9)) == 352
assert by_sets(9) == 352
assert len(breadth_first(10)) == 724
