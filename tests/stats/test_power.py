"""Power, held against exact dynamic programming over the blocks of the real decision."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from grokverify import Claim, Lab, Source, Verdict, approx, check, verify
from grokverify.stats import Counted, confidence_sequence, decide, decide_mean, mean_sequence, power
from grokverify.stats._frequency import BLOCK

BOUND, TRIALS = 0.05, 3 * BLOCK


def fails_within(p, trials, alpha):
    """P(the blockwise decision of "P <= BOUND" comes out as failing), exactly."""
    alive, failed = np.ones(1), 0.0
    for t in range(BLOCK, trials + 1, BLOCK):
        alive = np.convolve(alive, binom.pmf(np.arange(BLOCK + 1), BLOCK, p))
        for k in range(t + 1):
            if alive[k] > 1e-15:
                lo, hi = confidence_sequence(k, t, alpha)
                failed += alive[k] * (lo > BOUND)
                alive[k] *= lo <= BOUND < hi
    return failed


def passed(trials, rate=0.0, bound=BOUND):
    draws = Counted(lambda lab, n: lab.uniform("u", n, low=0.0) < rate)
    told = decide("P", draws, lab=Lab(trials=trials), at_most=bound)
    return told, draws.trials


@pytest.mark.parametrize("rate", [0.0, BOUND])
def test_the_violation_is_caught_with_the_power_it_says(rate):
    told, trials = passed(TRIALS, rate)
    assert trials == (BLOCK if rate == 0.0 else TRIALS)
    caught = power(told, trials)
    assert fails_within(caught.hi, trials, told.risk) >= 0.99
    if trials == BLOCK:  # one look: the power is what was asked for, and alpha for stopping early
        exact = fails_within(caught.hi, trials, told.risk)
        assert exact == pytest.approx(0.99 + told.risk, abs=1e-9)
    assert caught.risk == pytest.approx(0.01)


def test_mutants_of_the_power_are_caught(monkeypatch):
    told, trials = passed(TRIALS)
    honest = power(told, trials).hi
    monkeypatch.setattr("grokverify.stats._power._first", lambda fails, n: _off_by_one(fails, n))
    lazy = power(told, trials).hi
    assert lazy < honest
    assert fails_within(lazy, trials, told.risk) < 0.99
    loose = power(decide("P", lambda lab, n: [False] * n, lab=Lab(alpha=6e-5), at_most=BOUND), 500)
    assert fails_within(loose.hi, trials, told.risk) < 0.99  # twenty times the level


def _off_by_one(fails, n):
    return next(k for k in range(n + 1) if fails(k)) - 1


def test_more_trials_catch_less_and_too_few_catch_nothing():
    told, _ = passed(TRIALS)
    assert BOUND < power(told, 5000).hi < power(told, 500).hi < 0.2
    assert power(told, 3).hi == math.inf


def test_a_lower_bound_is_the_mirror_image():
    told, trials = passed(TRIALS)
    mirrored = decide("P", lambda lab, n: [True] * n, lab=Lab(), at_least=1 - BOUND)
    assert power(mirrored, trials).lo == pytest.approx(1 - power(told, trials).lo)
    assert power(mirrored, 3).lo == -math.inf


def test_means_of_two_valued_trials():
    """The betting sequence needs more than the mixture, but not a different kind of answer."""
    told = decide_mean("m", lambda lab, n: [2.0] * n, lab=Lab(), low=2, high=4, at_most=2.1)
    caught = power(told, 500, low=2, high=4, mean=True)
    share = (caught.hi - 2) / 2
    failed = sum(
        binom.pmf(k, 500, share)
        for k in range(int(500 * share) - 60, int(500 * share) + 61)
        if mean_sequence(np.repeat([4.0, 2.0], [k, 500 - k]), 2, 4, told.risk)[0] > 2.1
    )
    assert 0.99 <= failed < 0.995  # the hits left out are too rare to matter


def test_a_claim_yields_it_beside_the_decision():
    @check(dict(rate=0.01))
    def rare(lab, rate, times=1):
        draws = Counted(lambda at, n: at.uniform("u", n, low=0.0) < rate * times)
        told = decide("P(event)", draws, lab=lab, at_most=BOUND)
        yield told
        yield power(told, draws.trials)

    claim = Claim(
        id="toy/rare",
        source=Source("toy", "1"),
        statement="$P \\le 0.05$",
        checks=(rare,),
        controls=(rare.but(times=20),),
    )
    record = verify(claim, Lab(profile="smoke"))
    assert record.verdict is Verdict.VERIFIED
    (seen,) = [m for m in record.checks[0].constants if "caught with 99 % power" in m.name]
    assert BOUND < seen.hi < 0.2


def test_only_random_decisions_have_power():
    with pytest.raises(ValueError, match="needs the outcome of decide"):
        power(approx("x", 1.0).at_most(2), 100)
