"""Exponents: exact coverage of the intervals, and bias that no number of seeds removes."""

import math

import numpy as np
import pytest
from scipy.stats import binom, linregress, norm, t

from grokverify import Grade, Lab, Truth
from grokverify.stats import exponent, median_interval, seeds_needed
from grokverify.stats._exponent import slope_weights

SIZES = [16, 32, 64, 128, 256, 512]


def rank(m, alpha):
    """Which order statistic the interval ends at, from the top; 0 if there is none."""
    lo, hi = median_interval(np.arange(1.0, m + 1), alpha)
    assert lo == -math.inf or lo + hi == m + 1
    return 0 if lo == -math.inf else int(lo)


def missed(m, r):
    """Exact, any continuous law: both ends lie on one side of the median."""
    return 2 * binom.cdf(r - 1, m, 0.5)


@pytest.mark.parametrize("m", [5, 12, 32, 101])
@pytest.mark.parametrize("alpha", [0.3, 0.01, 7.5e-7])
def test_median_interval_covers_and_is_the_shortest_that_does(m, alpha):
    r = rank(m, alpha)
    assert missed(m, r) <= alpha if r else missed(m, 1) > alpha
    assert missed(m, r + 1) > alpha  # the mutant with an off-by-one in the rank
    if r and alpha < 0.05:
        assert missed(m, rank(m, 20 * alpha)) > alpha  # twenty times the level


def test_median_interval_of_a_discrete_law_by_enumeration():
    """Values 0, 1, 2 with median 1; ties only help."""
    odds, m, alpha, lost = (0.4, 0.2, 0.4), 9, 0.1, 0.0
    for a in range(m + 1):
        for b in range(m + 1 - a):
            c = m - a - b
            p = math.comb(m, a) * math.comb(m - a, b) * odds[0] ** a * odds[1] ** b * odds[2] ** c
            lo, hi = median_interval(np.repeat([0, 1, 2], [a, b, c]), alpha)
            lost += p * (not lo <= 1 <= hi)
    assert 0 < lost <= alpha


@pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-3, 7.5e-7])
def test_seeds_needed_is_the_least_number(alpha):
    m = seeds_needed(alpha)
    assert math.isfinite(median_interval(np.arange(m), alpha)[0])
    assert math.isinf(median_interval(np.arange(m - 1), alpha)[0])


def test_weights_are_the_regression_and_blind_to_the_correction():
    y = np.random.default_rng(0).normal(size=len(SIZES))
    assert slope_weights(SIZES, None) @ y == pytest.approx(linregress(np.log(SIZES), y).slope)
    n = np.array(SIZES, dtype=float)
    g = slope_weights(SIZES, 0.7)
    assert g @ (3 - 1.5 * np.log(n) + 40 * n**-0.7) == pytest.approx(-1.5, abs=1e-12)


def law(b, *, noise=0.05, bias=0.0, w=1.0, heavy=False):
    """y = n^b (1 + bias n^-w) times noise of its own at every size."""

    def draw(lab, count):
        n = lab.real(SIZES)
        z = lab.normal("z", count, len(SIZES))
        if heavy:
            z = z / lab.normal("v", count, len(SIZES))
        return n**b * (1 + bias * n**-w) * (noise * z).exp()

    return draw


@pytest.mark.parametrize(
    ("b", "given", "truth"),
    [
        (0.5, {"w": 1.0}, "holds"),
        (0.75, {"w": 1.0}, "fails"),  # the other exponent
        (0.25, {"w": 1.0}, "fails"),
        (0.6, {"w": 1.0, "noise": 0.01}, "undecided"),  # on the edge of the margin
        (0.5, {"w": 1.0, "heavy": True, "noise": 0.01}, "holds"),
    ],
)
def test_near_holds_fails_or_stays_undecided(b, given, truth):
    w = given.pop("w")
    lab = Lab()
    fit = exponent("b", law(b, **given), SIZES, lab=lab, w=w, seeds=60)
    told = fit.near(0.5, 0.1)
    assert told.truth.value == truth
    assert (told.risk, told.grade) == (lab.share(1), Grade.STATISTICAL)
    assert told.left.unit == "median over seeds"


def test_finite_size_bias_is_not_noise():
    """A strong correction: ignoring it moves with the sizes, so nothing is decided."""
    ignored = exponent("b", law(0.5, bias=20), SIZES, lab=Lab(), w=None, seeds=60)
    assert ignored.near(0.5, 0.1).truth is Truth.UNDECIDED
    assert ignored.near(0.2, 0.1).truth is Truth.UNDECIDED  # and the biased value is not believed
    assert abs(ignored.drift) > 0.05
    assert "not settled" in ignored.near(0.5, 0.1).left.unit
    kept = exponent("b", law(0.5, bias=2, noise=0.02), SIZES, lab=Lab(), w=1.0, seeds=60)
    assert kept.near(0.5, 0.1).truth is Truth.HOLDS
    assert np.all(np.diff(kept.local) > 0)  # local slopes rise to the limit


def test_the_exact_law_of_the_pipeline():
    """Normal noise of known size: the median slope is known, and so is how often it is missed."""
    fit = exponent("b", law(0.5, noise=0.2), SIZES, lab=Lab(alpha=0.04), w=1.0, seeds=40)
    ordered = np.sort(fit.slopes)
    alpha = 0.04 / 2 / 2  # share(1), halved over the two fits
    r = rank(40, alpha)
    wide = np.sort(fit.later)
    assert fit.measured.lo == min(ordered[r - 1], wide[r - 1])
    assert fit.measured.hi == max(ordered[40 - r], wide[40 - r])
    assert 2 * missed(40, r) <= 0.02 < 2 * missed(40, r + 1)
    spread = 0.2 * np.linalg.norm(slope_weights(SIZES, 1.0))
    assert abs(np.mean(fit.slopes) - 0.5) < norm.isf(1e-7) * spread / math.sqrt(40)


def test_too_few_seeds_say_nothing_and_the_normal_assumption_is_named():
    few = exponent("b", law(0.5, noise=0.001), SIZES, lab=Lab(), w=1.0, seeds=8)
    assert (few.measured.lo, few.measured.hi) == (-math.inf, math.inf)
    assert few.near(0.5, 0.1).truth is Truth.UNDECIDED
    assumed = exponent(
        "b", law(0.5, noise=0.001), SIZES, lab=Lab(), w=1.0, seeds=8, assume_normal=True
    )
    told = assumed.near(0.5, 0.1)
    assert (told.truth, told.grade) == (Truth.HOLDS, Grade.EMPIRICAL)
    assert "assumed normal" in told.left.unit
    s = np.array([assumed.slopes, assumed.later])
    alpha = Lab().share(1) / 2
    ends = [t.interval(1 - alpha, 7, x.mean(), x.std(ddof=1) / math.sqrt(8)) for x in s]
    assert assumed.measured.lo == pytest.approx(min(e[0] for e in ends))
    assert assumed.measured.hi == pytest.approx(max(e[1] for e in ends))


def test_default_number_of_seeds_suffices():
    fit = exponent("b", law(0.5), SIZES, lab=Lab(), w=1.0)
    assert math.isfinite(fit.measured.lo)
    assert len(fit.slopes) < 50


def test_bad_arguments():
    with pytest.raises(ValueError, match="at least 5 increasing positive sizes"):
        exponent("b", law(0.5), [1, 2, 4, 8], lab=Lab(), w=1.0)
    with pytest.raises(ValueError, match="at least 4 increasing positive sizes"):
        exponent("b", law(0.5), [1, 2, 4, 4], lab=Lab(), w=None)
    with pytest.raises(ValueError, match="needs two seeds and w > 0"):
        exponent("b", law(0.5), SIZES, lab=Lab(), w=-1.0)
    with pytest.raises(ValueError, match="one positive value for each of 6 sizes"):
        exponent("b", lambda lab, n: -lab.real(np.ones((n, 6))), SIZES, lab=Lab(), w=1.0)
    with pytest.raises(ValueError, match="needs a positive margin"):
        exponent("b", law(0.5), SIZES, lab=Lab(), w=1.0).near(0.5, 0.0)
