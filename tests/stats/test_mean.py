"""Betting confidence sequences, tested over every path of small laws."""

import functools
import itertools
import math

import numpy as np
import pytest

from grokverify import Lab, Truth
from grokverify.stats import decide_mean, exceeds, mean_sequence

LAWS = [  # values in [0, 1] and their probabilities
    ((0.0, 1.0), (0.5, 0.5)),
    ((0.0, 1.0), (0.9, 0.1)),
    ((0.2, 0.3, 1.0), (0.5, 0.3, 0.2)),
]


@pytest.mark.parametrize(("values", "odds"), LAWS)
@pytest.mark.parametrize("alpha", [0.3, 0.05])
def test_watching_every_trial_never_spends_more_than_alpha(values, odds, alpha):
    """Exact: all paths, each stopped at its first miss."""
    mean = sum(v * p for v, p in zip(values, odds, strict=True))
    length = 10 if len(values) == 2 else 7
    missed = 0.0

    @functools.cache
    def contains(counts):  # the order of the trials does not matter
        lo, hi = mean_sequence(np.repeat(values, counts), 0.0, 1.0, alpha)
        return lo <= mean <= hi

    for path in itertools.product(range(len(values)), repeat=length):
        for t in range(1, length + 1):
            if not contains(tuple(path[:t].count(k) for k in range(len(values)))):
                missed += math.prod(odds[k] for k in path)
                break
    assert missed <= alpha


def test_the_enclosure_contains_the_sample_mean_and_shrinks():
    rng = np.random.default_rng(0)
    x = rng.beta(2, 6, 4000)
    wide, narrow = mean_sequence(x[:100], 0, 1, 1e-6), mean_sequence(x, 0, 1, 1e-6)
    assert wide[0] < x[:100].mean() < wide[1]
    assert narrow[0] < x.mean() < narrow[1]
    assert narrow[1] - narrow[0] < 0.4 * (wide[1] - wide[0])


def test_the_range_only_rescales():
    x = np.random.default_rng(1).uniform(0, 1, 200)
    lo, hi = mean_sequence(x, 0, 1, 0.01)
    assert mean_sequence(10 * x - 3, -3, 7, 0.01) == pytest.approx((10 * lo - 3, 10 * hi - 3))


def uniform(scale):
    return lambda lab, n: scale * lab.uniform("u", n, low=0.0)


@pytest.mark.parametrize(
    ("scale", "at_most", "truth"), [(1.0, 0.6, "holds"), (1.0, 0.4, "fails"), (0.2, 0.12, "holds")]
)
def test_decide_mean_settles_both_ways(scale, at_most, truth):
    told = decide_mean("m", uniform(scale), lab=Lab(), low=0, high=1, at_most=at_most)
    assert told.truth.value == truth


def test_decide_mean_ends_undecided_at_the_cap():
    told = decide_mean("m", uniform(1.0), lab=Lab(trials=500), low=0, high=1, at_most=0.5)
    assert told.truth is Truth.UNDECIDED


def test_decide_mean_refuses_what_breaks_its_guarantee():
    with pytest.raises(ValueError, match=r"outside \[0, 0.5\]. The bounds must hold for every"):
        decide_mean("m", uniform(1.0), lab=Lab(), low=0, high=0.5, at_most=0.4)
    with pytest.raises(ValueError, match="NaN is never evidence"):
        decide_mean("m", lambda lab, n: [math.nan] * n, lab=Lab(), low=0, high=1, at_most=0.9)
    with pytest.raises(ValueError, match="asked for 500 trials and got 2"):
        decide_mean("m", lambda lab, n: [0.5] * 2, lab=Lab(), low=0, high=1, at_most=0.9)


def test_a_heavy_tailed_mean_can_be_refuted_and_never_verified():
    def lognormal(lab, n):
        return lab.normal("z", n).exp()  # mean exp(1/2)

    false = exceeds("E X", lognormal, 1.0, lab=Lab())
    assert false.at_most(1.0).truth is Truth.FAILS
    true = exceeds("E X", lognormal, 3.0, lab=Lab(trials=2000))
    assert true.at_most(3.0).truth is Truth.UNDECIDED
    assert true.hi == math.inf
    assert true.lo < math.exp(0.5)
    with pytest.raises(ValueError, match="negative trial"):
        exceeds("E X", lambda lab, n: lab.normal("z", n), 1.0, lab=Lab())


def test_either_tail_of_the_sequence_spends_half_of_the_risk():
    """One tail alone is what ``exceeds`` spends its whole share on."""
    drawn = np.linspace(0.2, 0.9, 300)
    lab = Lab(alpha=1e-3, trials=300)  # the first decision may spend alpha / 2
    alone = exceeds("mean", lambda lab, n: drawn[:n], 10.0, lab=lab)
    assert alone.risk == pytest.approx(5e-4)
    assert mean_sequence(drawn, 0.0, 1.0, 1e-3)[0] == pytest.approx(alone.lo, rel=1e-6)
