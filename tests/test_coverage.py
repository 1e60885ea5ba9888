"""How much of a quantifier was tried: computed from what a check does, never declared."""

import json
from functools import lru_cache

import hypothesis.strategies as st
import pytest

from grokverify import Claim, Lab, Source, approx, check, exact, stats, verify
from grokverify._lab import drawn
from grokverify._notes import Notes, weaker
from grokverify._plan import Course
from grokverify._verify import fold, observe, plan
from grokverify.records import from_json, to_json

LAB = Lab(profile="smoke")


def claimed(one):
    return Claim(
        id="test/coverage",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(one,),
        controls=(one.but(off=1),),
    )


def verified(one):
    record = verify(claimed(one), LAB)
    assert record.verdict.value == "verified", record.explain()
    assert from_json(to_json(record)) == record
    return record


def squares(lab, off):
    """An identity, tried at a random matrix alone."""
    A = lab.integers("A", -9, 10, 3, 3)
    yield exact("(A + 1)^2", int(((A + 1) ** 2 - A**2 - 2 * A - 1).sum()) + off).equals(0)


@check()
def at_random(lab, off=0):
    yield from squares(lab, off)


@check(dict(n=1), dict(n=2))
def in_every_case(lab, n, off=0):
    yield from squares(lab, off)


@check(dict(n=1), dict(n=2))
def in_the_last_case(lab, n, off=0):
    if n == 2:
        yield from squares(lab, off)
    yield exact("n", n - off).at_least(1)


@pytest.mark.parametrize("one", [at_random, in_every_case, in_the_last_case])
def test_random_data_is_neither_universal_nor_exhaustive(one):
    record = verified(one)
    assert [o.coverage for o in record.checks] == ["drawn"]
    assert "verified (exact, drawn)" in record.explain()
    assert json.loads(to_json(record))["checks"][0]["coverage"] == "drawn"


@check()
def for_all(lab, off=0):
    yield exact("one", 1 + off).equals(lab.pick(smoke=1))


@check(dict(n=1), dict(n=2))
def listed(lab, n, off=0):
    yield exact("n", n - off).at_least(1)


@check(dict(n=1), dict(n=2))
def drawn_too_late(lab, n, off=0):
    yield exact("n", n - off).at_least(1)
    lab.normal("unused", 3)


@check(n=st.integers(1, 9))
def sampled(lab, n, off=0):
    yield from squares(lab, off)


@check(dict(p=0.1), dict(p=0.2))
def chances(lab, p, off=0):
    rate = lambda lab, n: lab.uniform("u", n, low=0.0) < p + off  # noqa: E731
    yield stats.decide("P", rate, lab=lab, at_most=0.9)


@pytest.mark.parametrize(
    ("one", "coverage"),
    [
        (for_all, "universal"),
        (listed, "exhaustive"),
        (drawn_too_late, "exhaustive"),
        (sampled, "sampled"),
        (chances, "exhaustive"),  # the draws are trials: the risk counts them
    ],
)
def test_what_needs_no_random_data_keeps_its_coverage(one, coverage):
    record = verified(one)
    assert record.checks[0].coverage == coverage


@check(dict(n=1), dict(n=2))
def tends_to_zero(lab, n, off=0):
    yield approx("rest", abs(float(lab.normal("x"))) / n * 1e-9 + off).at_most(1e-3)


def test_a_limit_stays_one_with_random_data():
    assert verified(tends_to_zero.asymptotic("rest")).checks[0].coverage == "asymptotic"


@check(lambda lab: [dict(n=int(n)) for n in lab.integers("sizes", 1, 99, 3)])
def cases_at_random(lab, n, off=0):
    yield exact("n", n * (1 - off)).at_least(1)


def test_cases_that_are_drawn_from_the_lab_exhaust_nothing():
    assert verified(cases_at_random).checks[0].coverage == "drawn"


@lru_cache
def kept(home):
    return int(home.integers("x", 1, 9))


@check(dict(n=1))
def by_its_own_streams(lab, n, off=0):
    yield exact("x", kept(lab) * (1 - off)).at_least(1)


@check(dict(n=1))
def by_shared_streams(lab, n, off=0):
    yield exact("x", kept(Lab(seed=lab.seed).shared("x")) * (1 - off)).at_least(1)


@pytest.mark.parametrize("one", [by_its_own_streams, by_shared_streams])
def test_data_that_a_cache_has_kept_were_drawn_as_well(one):
    first, second = verified(one), verified(one)
    assert first.checks[0].coverage == second.checks[0].coverage == "drawn"
    assert [o.coverage for o in first.controls] == [o.coverage for o in second.controls]


@pytest.mark.parametrize("parts", [1, 2])
def test_blocks_come_to_the_coverage_of_the_whole(parts):
    claim = claimed(in_the_last_case)
    course = Course(plan(claim, LAB, parts))
    while units := course.ready():
        for unit in units:
            course.put(unit, observe(claim, LAB, unit))
    assert fold(claim, LAB, course.seen()).checks[0].coverage == "drawn"
    assert Notes(coverage="exhaustive").then(Notes(coverage="drawn")).coverage == "drawn"
    assert Notes(coverage="drawn").then(Notes(coverage="exhaustive")).coverage == "drawn"
    assert weaker("", "universal") == "universal"
    assert weaker() == ""


def test_a_claim_that_is_verified_inside_a_check_does_not_hide_what_was_drawn():
    @check()
    def outer(lab, off=0):
        A = lab.integers("A", 1, 9)
        assert verify(claimed(for_all), LAB).checks[0].coverage == "universal"
        yield exact("A", int(A) * (1 - off)).at_least(1)

    assert verified(outer).checks[0].coverage == "drawn"


def test_what_a_lab_draws_does_not_depend_on_who_watches():
    drawn.set(False)
    before = LAB.normal("x", 3)
    assert drawn.get()
    assert (LAB.normal("x", 3) == before).all()
    assert hash(LAB) == hash(Lab(profile="smoke")) != hash(LAB.at("x"))
