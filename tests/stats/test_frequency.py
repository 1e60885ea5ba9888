"""Confidence sets, tested by exact enumeration rather than by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from grokverify import Grade, Lab, Truth
from grokverify.stats import confidence_sequence, decide, frequency


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (17, 400)])
@pytest.mark.parametrize("alpha", [0.05, 1e-6])
def test_frequency_is_clopper_pearson(hits, n, alpha):
    m = frequency("P", np.arange(n) < hits, alpha)
    reference = binomtest(hits, n).proportion_ci(1 - alpha, method="exact")
    assert m.lo == pytest.approx(reference.low, abs=1e-9)
    assert m.hi == pytest.approx(reference.high, abs=1e-9)
    assert (m.grade, m.risk) == (Grade.STATISTICAL, alpha)


@pytest.mark.parametrize("p", [0.02, 0.3, 0.5, 0.95])
def test_fixed_sample_coverage_is_at_least_nominal(p):
    """Exact: the binomial probability of the samples whose interval misses p."""
    n, alpha = 40, 0.1
    missed = 0.0
    for k in range(n + 1):
        m = frequency("P", np.arange(n) < k, alpha)
        if not m.lo <= p <= m.hi:
            missed += math.comb(n, k) * p**k * (1 - p) ** (n - k)
    assert missed <= alpha


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("alpha", [0.2, 0.02])
def test_watching_at_every_trial_never_spends_more_than_alpha(p, alpha):
    """Exact dynamic programming over all paths, stopped at the first miss: Ville's inequality."""
    alive, missed = {0: 1.0}, 0.0
    for t in range(1, 301):
        ahead: dict[int, float] = {}
        for k, mass in alive.items():
            ahead[k] = ahead.get(k, 0.0) + mass * (1 - p)
            ahead[k + 1] = ahead.get(k + 1, 0.0) + mass * p
        alive = {}
        for k, mass in ahead.items():
            lo, hi = confidence_sequence(k, t, alpha)
            if lo <= p <= hi:
                alive[k] = mass
            else:
                missed += mass
    assert 0 < missed <= alpha


def test_the_sequence_contains_the_frequency_and_shrinks():
    wide, narrow = confidence_sequence(5, 50, 1e-6), confidence_sequence(500, 5000, 1e-6)
    assert wide[0] < 0.1 < wide[1]
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 4
    assert confidence_sequence(0, 0, 0.1) == (0.0, 1.0)


def coin(p):
    return lambda lab, n: lab.uniform("u", n, low=0.0) < p


@pytest.mark.parametrize(
    ("p", "bound", "truth"),
    [(0.02, 0.1, "holds"), (0.3, 0.1, "fails"), (0.0, 0.01, "holds"), (1.0, 0.9, "fails")],
)
def test_decide_settles_both_ways(p, bound, truth):
    told = decide("P", coin(p), lab=Lab(profile="quick"), at_most=bound)
    assert told.truth.value == truth
    assert told.risk <= 3e-6 / 2


def test_decide_ends_undecided_at_the_cap():
    told = decide("P", coin(0.1), lab=Lab(trials=1000), at_most=0.1)
    assert told.truth is Truth.UNDECIDED
    assert told.left.lo < 0.1 < told.left.hi


def test_decide_at_least():
    assert decide("P", coin(0.9), lab=Lab(), at_least=0.5).truth is Truth.HOLDS


def test_decide_refuses_bad_arguments():
    with pytest.raises(ValueError, match="exactly one of at_most and at_least"):
        decide("P", coin(0.1), lab=Lab())
    with pytest.raises(ValueError, match="asked for 500 trials and got 3"):
        decide("P", lambda lab, n: [True] * 3, lab=Lab(), at_most=0.5)
    with pytest.raises(ValueError, match="needs trials and 0 < alpha < 1"):
        frequency("P", [], 0.1)


def test_every_block_has_streams_of_its_own():
    seen = []

    def block(lab, n):
        seen.append(float(lab.uniform("u", 1)))
        return lab.uniform("event", n) < 0

    decide("a half", block, lab=Lab(alpha=1e-3, trials=2000), at_most=0.5)
    assert len(set(seen)) == len(seen) > 1
