"""What a passed comparison says that it would have caught, held against exact probabilities."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from grokverify import Claim, Lab, Source, Verdict, check, exact, stats, verify
from grokverify.records import from_json, to_json
from grokverify.report import render
from grokverify.stats import (
    Counted,
    confidence_sequence,
    decide,
    decide_mean,
    frequency,
    monotone,
    monotone_signs,
    power,
    same_law,
)
from grokverify.stats._caught import first, violations


def never(lab, n):
    return np.zeros(n, dtype=bool)


def chance_to_fail(fails, p, trials):
    hits = np.arange(trials + 1)
    return float(binom.pmf(hits, trials, p)[[fails(int(k)) for k in hits]].sum())


@pytest.mark.parametrize("bound", [0.05, 0.3])
def test_a_frequency_catches_it_with_just_this_power(bound):
    told = frequency("P", np.zeros(400, dtype=bool), 1e-6).at_most(bound)
    caught = told.caught

    def fails(k):
        return frequency("P", np.arange(400) < k, 1e-6).lo > bound

    assert chance_to_fail(fails, caught, 400) == pytest.approx(0.99, abs=1e-9)
    mirrored = frequency("P", np.ones(400, dtype=bool), 1e-6).at_least(1 - bound)
    assert mirrored.caught == pytest.approx(1 - caught)


def test_decisions_agree_with_the_public_power():
    draws = Counted(never)
    told = decide("P", draws, lab=Lab(), at_most=0.05)
    assert told.caught == power(told, draws.trials).hi
    draws = Counted(lambda lab, n: np.full(n, 2.0))
    told = decide_mean("m", draws, lab=Lab(), low=2, high=4, at_most=2.2)
    assert told.caught == pytest.approx(power(told, draws.trials, low=2, high=4, mean=True).hi)


def test_only_what_holds_says_what_it_would_have_caught():
    failing = decide("P", lambda lab, n: np.ones(n, dtype=bool), lab=Lab(), at_most=0.5)
    undecided = decide("P", never, lab=Lab(trials=3), at_most=0.001)
    assert failing.caught is None
    assert undecided.caught is None
    assert exact("n", 3).equals(3).caught is None


def test_too_few_trials_catch_nothing():
    tell = violations(lambda hits: confidence_sequence(hits, 3, 1e-6), 3)
    assert tell("<=", 0.5) == math.inf
    assert tell(">=", 0.5) == -math.inf


@pytest.mark.parametrize("needed", [0, 1, 7, 8])
def test_the_fewest_violations_are_found(needed):
    assert first(lambda k: k >= needed, 8) == needed
    assert first(lambda k: False, 8) is None


def test_one_step_that_rises_too_seldom_is_caught():
    def draws(lab, n):
        return np.tile([0.0, 1.0, 2.0], (n, 1))

    told = monotone_signs("P(rise)", draws, lab=Lab(), at_least=0.5)
    trials, alpha = 500, told.risk

    def fails(rises):
        return confidence_sequence(rises, trials, alpha / 4)[1] < 0.5

    assert chance_to_fail(fails, told.caught, trials) == pytest.approx(0.99 + alpha, abs=1e-9)


def test_one_step_that_falls_is_caught():
    """Two levels; the second differs by +-1, with the mean that is said to be caught."""
    told = monotone(
        "step", lambda lab, n: np.tile([0.0, 1.0], (n, 1)), lab=Lab(), reach=1.0, block=300
    )
    assert -0.6 < told.caught < 0

    def falls(lab, n):
        up = lab.uniform("u", n, low=0.0).numpy() < (1 + told.caught) / 2
        return np.stack([np.zeros(n), np.where(up, 1.0, -1.0)], axis=1)

    seen = [
        monotone("step", falls, lab=Lab(seed=s, trials=300), reach=1.0, block=300).truth.value
        for s in range(60)
    ]
    assert seen.count("fails") >= 56  # 59.4 expected; fewer has probability 4e-4 at 0.99
    assert "holds" not in seen


def test_a_difference_of_laws_is_caught():
    def normal(shift):
        return lambda lab, n: lab.normal("x", n, 1) + shift

    told = same_law("laws", normal(0), normal(0), lab=Lab(), margin=0.5, n=400)
    assert 0.5 < told.caught < math.sqrt(2)
    # Kernel exp(-|x - y| / scale): far apart, the discrepancy is near sqrt(2 E k(x, x')) > caught.
    far = same_law("laws", normal(0), normal(50), lab=Lab(), margin=0.5, n=400)
    assert far.truth.value == "fails"


@check(dict(p=0.01), dict(p=0.02))
def seldom(lab, p, factor=1.0):
    yield stats.decide(
        "rate", lambda lab, n: lab.uniform("u", n, low=0.0) < factor * p, lab=lab, at_most=0.1
    )


def test_records_and_reports_print_it():
    claim = Claim(
        id="test/seldom",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(seldom,),
        controls=(seldom.but(factor=30.0),),
    )
    record = verify(claim, Lab(profile="smoke"))
    assert record.verdict is Verdict.VERIFIED
    (tally,) = record.checks[0].tallies
    assert 0.1 < tally.caught < 0.25
    text = f"would have caught at least {tally.caught:.6g} with 99 % power"
    assert text in record.explain()
    assert text in render([record])
    assert from_json(to_json(record)) == record
