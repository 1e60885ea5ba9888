"""What a shelf keeps does not depend on the order of arrival or on how the work was divided."""

import numpy as np
import pytest

from grokverify._tally import Decision, shelve


def text(d):
    return f"{d.lo:b}"


def shelved(numbers, room=40):
    kept = ()
    for n in numbers:
        kept = shelve((*kept, Decision(n, n, 0, 0)), room, text)
    return kept


@pytest.mark.parametrize("seed", range(20))
def test_order_and_division_change_nothing(seed):
    rng = np.random.default_rng(seed)
    numbers = [int(n) for n in 2 ** rng.integers(0, 12, 60)]
    one, other = shelved(numbers), shelved(rng.permutation(numbers).tolist())
    cut = int(rng.integers(1, 59))
    parts = shelved(numbers[:cut]) + shelved(numbers[cut:])
    assert one == other == shelve(parts, 40, text)
    for d in one:
        assert d.count == numbers.count(d.lo), "the counts of what is kept are complete"
    kept = {d.lo for d in one}
    assert sum(len(text(d)) for d in one) <= 40
    assert all(n > max(kept) for n in set(numbers) - kept)


def test_nothing_fits_after_the_first_that_does_not():
    assert [d.lo for d in shelved([1, 8, 2], room=5)] == [1, 2]
    assert shelved([8], room=3) == ()
