"""Search, then confirm: the streams are apart, and the levels hold by dynamic programming."""

import numpy as np
import pytest
from scipy.stats import binom

from grokverify import Lab, Truth
from grokverify.stats import decide_mean, largest

BOUND, ALPHA, MANY, N = 0.1, 0.2, 300, 40


def coin(rates):
    return lambda lab, n, i: lab.uniform("u", n, low=0.0) < rates[i]


@pytest.mark.parametrize(
    ("rates", "bound", "truth"),
    [
        ((0.05, 0.3, 0.1), {"at_most": 0.2}, "fails"),
        ((0.05, 0.1, 0.02), {"at_most": 0.2}, "holds"),
        ((0.05, 0.2, 0.02), {"at_most": 0.2}, "undecided"),
        ((0.05, 0.3, 0.1), {"at_least": 0.2}, "holds"),
        ((0.05, 0.1, 0.02), {"at_least": 0.2}, "fails"),
    ],
)
def test_settles_both_ways(rates, bound, truth):
    lab = Lab(trials=4000)
    told = largest("P", coin(rates), range(len(rates)), lab=lab, **bound)
    assert told.truth.value == truth
    assert told.risk == lab.share(1)
    assert told.left.lo <= max(rates) <= told.left.hi


def test_the_winner_of_the_search_is_not_believed():
    """All trials of the search lie at the top, all others at the bottom."""

    def lucky(lab, n, instance):
        return [float('"search"' in lab.path[-1] or '["search"' in lab.path[-1])] * n

    assert largest("P", lucky, range(5), lab=Lab(), at_most=0.2).truth is Truth.HOLDS
    assert largest("P", lucky, range(5), lab=Lab(), at_least=0.2).truth is Truth.FAILS


def test_phases_and_instances_have_their_own_streams():
    asked = []

    def spy(lab, n, instance):
        asked.append((lab.path, n))
        return lab.uniform("u", n, low=0.0) < 0.3

    largest("P", spy, ["a", "b"], lab=Lab(), at_most=0.3 + 0.2, pilot=50)
    paths = [path for path, _ in asked]
    assert len(set(paths)) == len(paths)
    assert [n for _, n in asked[:2]] == [50, 50]
    phases = [next(w for w in ("search", "confirm", "all") if f'"{w}"' in str(p)) for p in paths]
    assert phases[:3] == ["search", "search", "confirm"]
    assert set(phases[3:]) <= {"confirm", "all"}


def test_order_of_the_instances_does_not_matter():
    rates = (0.05, 0.3, 0.1)
    one = largest("P", coin(rates), [0, 1, 2], lab=Lab(), at_most=0.2)
    assert one == largest("P", coin(rates), [2, 0, 1], lab=Lab(), at_most=0.2)


def staged(search, confirm, everyone):
    """Trials with so many events in each phase; all but the first instance have none at the end."""

    def draw(lab, n, instance):
        phase = next(word for word in ("search", "confirm", "all") if f'"{word}"' in str(lab.path))
        hits = {"search": search, "confirm": confirm, "all": everyone * (instance == 0)}[phase]
        return np.arange(n) < hits

    return draw


def spent(truth, make, alpha=ALPHA, bound=BOUND):
    """Exact: the probability, all trials being events with probability ``bound``, of a verdict."""
    lab = Lab(trials=N, alpha=2 * alpha)  # share(1) is half
    return sum(
        binom.pmf(k, N, bound)
        for k in range(N + 1)
        if largest("P", make(k), [0, 1], lab=lab, at_most=bound, pilot=N).truth is truth
    )


def test_levels_are_kept_and_mutants_break_them():
    def confirmed(k):
        return staged(N, k, N)

    def least_favourable(k):  # the other instances are surely fine
        return staged(0, 0, k)

    assert 0 < spent(Truth.FAILS, confirmed) <= ALPHA / 2
    assert 0 < spent(Truth.HOLDS, least_favourable, 0.2, 0.3) <= ALPHA / 2
    # Believing the search: the best of many has as many chances, and the level is gone.
    once = spent(Truth.FAILS, confirmed)
    assert 1 - (1 - once) ** MANY > ALPHA / 2


def test_the_parts_spend_the_levels_they_should(monkeypatch):
    """Two tails of alpha/2 each: one of the winner, one of the instance truly largest."""
    risks = []

    def spy(name, draw, **given):
        told = decide_mean(name, draw, **given)
        risks.append(told.risk)
        return told

    monkeypatch.setattr("grokverify.stats._confirm.decide_mean", spy)
    told = largest("P", coin((0.0, 0.01)), [0, 1], lab=Lab(), at_most=0.2)
    assert risks == pytest.approx([told.risk] * 3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="exactly one of at_most and at_least"):
        largest("P", coin((0.1,)), [0], lab=Lab())
    with pytest.raises(ValueError, match="exactly one of at_most and at_least"):
        largest("P", coin((0.1,)), [0], lab=Lab(), at_most=0.1, at_least=0.2)
    for wrong in ([], [0, 0]):
        with pytest.raises(ValueError, match="needs distinct instances"):
            largest("P", coin((0.1,)), wrong, lab=Lab(), at_most=0.2)
    with pytest.raises(ValueError, match="outside"):
        largest("P", lambda lab, n, i: [2.0] * n, [0], lab=Lab(), at_most=0.2)
