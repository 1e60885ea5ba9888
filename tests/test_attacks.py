"""Ways to a verdict that was not earned, each of them closed."""

import json
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import torch

from grokverify import (
    Claim,
    Lab,
    Source,
    Verdict,
    approx,
    check,
    enclosed,
    exact,
    records,
    stats,
    verify,
)
from grokverify._evidence import Grade, Measurement
from grokverify._intervals import outward
from grokverify.audit import verdict as audited
from grokverify.groups import differing
from grokverify.linalg.certified import positive_definite
from grokverify.linalg.rational import is_semidefinite
from grokverify.linalg.spectrum import total
from grokverify.symbolic import residue

LAB = Lab(profile="smoke")


def judged(*checks, controls=()):
    claim = Claim(
        id="test/attack", source=Source("p", "l"), statement="s", checks=checks, controls=controls
    )
    record = verify(claim, LAB)
    body = json.loads(records.to_json(record))
    assert audited(body["checks"], body["controls"]) == record.verdict.value
    return record


@check(dict(n=1), dict(n=800))
def below_an_overflowing_bound(lab, n, base=2.0):
    with np.errstate(over="ignore"):
        yield exact("n", n).at_most(float(np.exp(base * n)))


def test_a_bound_that_overflowed_is_an_error():
    record = judged(
        below_an_overflowing_bound, controls=(below_an_overflowing_bound.but(base=-1.0),)
    )
    assert record.verdict is Verdict.ERROR
    assert "compared with the bound inf, which is met by all of them or by none" in record.reason


def test_an_enclosure_without_a_number_is_refused():
    for lo, hi in ((math.inf, math.inf), (-math.inf, -math.inf)):
        with pytest.raises(ValueError, match="holds no number"):
            enclosed("x", lo, hi)
    huge = Fraction(10) ** 400
    assert (outward(huge, -1), outward(huge, 1)) == (sys.float_info.max, math.inf)
    assert (outward(-huge, -1), outward(-huge, 1)) == (-math.inf, -sys.float_info.max)


@check()
def two_sided(lab, low=0, x=5):
    yield exact("x", x).at_least(low)
    yield exact("x", x).at_most(100)


def test_a_control_of_one_side_does_not_speak_for_the_other():
    record = judged(two_sided, controls=(two_sided.but(low=6),))
    assert record.verdict is Verdict.ERROR
    assert "two comparisons are called 'x', one with >= and one with <=" in record.reason


@check(dict(n=1), dict(n=2), dict(n=3))
def mostly_silent(lab, n, bound=1):
    if n == 1:
        yield exact("n", n).at_most(bound)


def test_cases_in_which_nothing_is_compared_are_not_counted():
    record = judged(mostly_silent, controls=(mostly_silent.but(bound=0),))
    assert record.verdict is Verdict.VERIFIED
    assert record.checks[0].cases == 1


@check(lambda lab: lab.pick(smoke=(), quick=[dict(n=1)]))
def nothing_at_smoke(lab, n, bound=1):
    yield exact("n", n).at_most(bound)


def test_no_case_at_a_profile_is_vacuous():
    record = judged(nothing_at_smoke, controls=(nothing_at_smoke.but(bound=0),))
    assert record.verdict is Verdict.INCONCLUSIVE
    assert "vacuous" in record.reason


@check()
def two_claims(lab, wrong=1, mended=False):
    if not mended:
        yield exact("what is claimed", wrong).equals(0)
    yield exact("something else", 0).equals(0)


def test_a_positive_control_must_decide_what_failed():
    record = judged(two_claims, controls=(two_claims.but(mended=True).must_hold(),))
    assert record.verdict is Verdict.INCONCLUSIVE
    assert "nothing shows that this comparison of 'two_claims' could hold" in record.reason
    assert judged(two_claims, controls=(two_claims.but(wrong=0).must_hold(),)).verdict is (
        Verdict.REFUTED
    )


COUNT = []


@check(dict(k=1))
def flaky(lab, k, mended=False):
    COUNT.append(1)
    yield exact("failures", int(len(COUNT) == 1 and not mended)).equals(0)


def test_a_failure_that_does_not_come_again_accuses_nobody():
    COUNT.clear()
    record = judged(flaky, controls=(flaky.but(mended=True).must_hold(),))
    assert record.verdict is Verdict.ERROR
    assert "not reproducible: failures = 1 fails to be equal to 0" in record.reason
    assert "but a second observation did not fail" in record.reason


@check(dict(k=1))
def flaky_crash(lab, k, mended=False):
    COUNT.append(1)
    if len(COUNT) == 2:
        raise OSError("gone")
    yield exact("failures", int(not mended)).equals(0)


def test_nor_one_whose_second_observation_raises():
    COUNT.clear()
    record = judged(flaky_crash, controls=(flaky_crash.but(mended=True).must_hold(),))
    assert record.verdict is Verdict.ERROR
    assert "but a second observation raised OSError('gone')" in record.reason


def test_only_the_rounding_of_a_float_bound_is_no_exact_evidence():
    third = Fraction(1, 3)
    assert exact("x", third).at_least(1 / 3).grade is Grade.EMPIRICAL
    assert exact("x", third).at_least(0.333).grade is Grade.EXACT
    assert exact("x", third).at_least(third).grade is Grade.EXACT
    assert exact("x", Fraction(1, 2)).at_most(0.5).grade is Grade.EXACT
    assert enclosed("x", 0.9, 1 - 2.0**-50).at_most(1.0).grade is Grade.CERTIFIED
    assert enclosed("x", 0.0, 0.7 - 2.0**-50).at_most(0.7).grade is Grade.EMPIRICAL


@pytest.mark.parametrize("mark", ["part", "asymptotic", "existential"])
def test_a_mark_names_something(mark):
    with pytest.raises(ValueError, match="names nothing. Name the clause"):
        getattr(two_sided, mark)(" ")


def test_a_control_is_no_check():
    with pytest.raises(ValueError, match="'two_sided but x=7' is a control among the checks"):
        judged(two_sided, two_sided.but(x=7).must_hold())


def rate(value):
    return lambda lab, n: np.full(n, value)


@pytest.mark.parametrize("bound", [dict(at_most=1.0), dict(at_least=0.0), dict(at_most=-0.1)])
def test_a_vacuous_bound_on_a_probability_is_refused(bound):
    with pytest.raises(ValueError, match=r"which every number in \[0.0, 1.0\] satisfies"):
        stats.decide("p", rate(False), lab=LAB, **bound)
    with pytest.raises(ValueError, match=r"which every number in \[0, 1\] satisfies"):
        stats.decide_mean("m", rate(0.5), lab=LAB, low=0, high=1, **bound)


def test_a_bound_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="there is nothing to decide"):
        stats.decide("p", rate(False), lab=LAB, at_most=math.nan)


def test_nan_is_no_event():
    with pytest.raises(ValueError, match="got nan for an event"):
        stats.decide("p", rate(math.nan), lab=LAB, at_least=0.5)
    with pytest.raises(ValueError, match="got nan for an event"):
        stats.frequency("p", [1.0, math.nan], 0.1)
    assert stats.decide("p", rate(1.0), lab=LAB, at_least=0.5).truth.value == "holds"


def test_features_that_are_nan_decide_nothing():
    def draw(lab, n):
        return lab.normal("x", n, 2)

    with pytest.raises(ValueError, match="features that are not finite"):
        stats.same_law("x", draw, draw, lab=LAB, margin=0.5, features=lambda z: torch.log(z))
    with pytest.raises(ValueError, match="margin 1.5, not in"):
        stats.same_law("x", draw, draw, lab=LAB, margin=1.5)


def test_an_empirical_zero_with_nan_in_it_is_an_error():
    with pytest.raises(ValueError, match="NaN or infinity is an error, never evidence"):
        approx("x", torch.tensor([0.0, math.nan]).max())


class Nameless:
    def __init__(self, n):
        self.n = n

    def __str__(self):
        return "a case"


@check(lambda lab: [dict(x=Nameless(1)), dict(x=Nameless(2))])
def cases_that_read_alike(lab, x, bound=1):
    yield exact("n", x.n).at_most(bound)


def test_of_two_cases_that_read_alike_none_is_passed_over():
    record = judged(cases_that_read_alike, controls=(cases_that_read_alike.but(bound=0),))
    assert record.verdict is Verdict.ERROR
    assert "lists two cases that read alike" in record.reason


def test_nothing_is_proved_of_what_is_empty():
    with pytest.raises(ValueError, match="must be the same, and not empty"):
        differing((np.zeros((0, 3)),), (np.zeros((0, 3)),))
    with pytest.raises(ValueError, match="must be the same, and not empty"):
        differing((np.zeros((3, 1)),), (np.zeros((3, 3)),))
    with pytest.raises(ValueError, match="of an empty matrix: nothing is compared"):
        residue("x", sp.zeros(0, 0))
    with pytest.raises(ValueError, match="square and not empty"):
        positive_definite(torch.zeros(0, 0, dtype=torch.float64))
    with pytest.raises(ValueError, match="or no entry, or"):
        is_semidefinite(np.zeros((0, 0), dtype=int))
    with pytest.raises(ValueError, match="met no term"):
        total("x", [])


def test_a_record_says_which_comparisons_have_a_certificate():
    @check()
    def both(lab, off=0):
        yield exact("differ", differing((np.arange(3),), (np.arange(3) + off,))).equals(0)
        yield exact("off", off).equals(0)

    record = judged(both, controls=(both.but(off=1),))
    assert record.checks[0].witnessed == ("differ",)
    assert "differ: with a certificate" in record.explain()
    assert "off: with a certificate" not in record.explain()


def test_numbers_that_compare_as_they_like_are_taken_for_what_they_are():
    """numpy rounds an integer that it compares with a float64; a subclass may say anything."""

    class Agreeable(int):
        def __ge__(self, other):
            return True

        def __lt__(self, other):
            return False

    even = np.float64(2**53)
    assert even == 2**53 + 1
    assert enclosed("x", even, even).equals(2**53 + 1).truth.value == "fails"
    assert Measurement("x", even, even, Grade.CERTIFIED).at_least(2**53 + 1).truth.value == "fails"
    assert exact("x", Agreeable(1)).at_least(5).truth.value == "fails"
    assert exact("x", 4).at_most(Agreeable(5)).truth.value == "holds"
