"""A claim cut into units: any cut, in any order, through JSON, gives the serial record."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings, strategies as st

from grokverify import (
    Claim,
    Skip,
    Source,
    Verdict,
    approx,
    check,
    exact,
    row,
    series,
    stats,
    verify,
)
from grokverify._notes import Notes, from_plain, to_plain
from grokverify._plan import Course, Plan
from grokverify._verify import fold, observe, plan

CASES = tuple(dict(n=n) for n in range(7))


def numbers(lab, n, top=1.0, at=-1, crash=-1, leave=-1):
    if n == crash:
        raise RuntimeError("out of chalk")
    if n == leave:
        raise Skip("needs a larger board")
    x = float(lab.uniform("x", 1, low=0.0))
    yield row(n=n, x=x)
    yield series("x", x=n, y=x, printed=0.5)
    yield exact("n", n).beside(printed=n % 2)
    yield approx("x", x).at_most(top if n != at else -1.0)


listed = check(*CASES)(numbers)
listed = replace(listed, name="listed")


@check(*CASES, dict(n=2))  # a case that is listed twice is observed once
def chances(lab, n, bound=0.9, shift=0):
    yield stats.decide("P", lambda at, k: at.uniform("u", k, low=0.0) < 0.2, lab=lab, at_most=bound)
    yield exact("n squared", n * n - shift).at_least(0)


@check(n=st.integers(0, 50))
def sampled(lab, n, top=51):
    yield exact("n", n).at_most(top)


def alone(one, **changed):
    """A check in its own right with these ingredients."""
    return replace(one.but(**changed), name="alone", breaks="", must="")


def claim(*checks, controls):
    return Claim(
        id="test/cut", source=Source("P", "1"), statement="s", checks=checks, controls=controls
    )


CLAIMS = {
    "holds": claim(
        listed,
        chances,
        sampled,
        controls=(
            listed.but(top=0.5),
            listed.but(top=0.95).must_hold(),
            chances.but(bound=0.1),
            chances.but(shift=36),
            sampled.but(top=30),
        ),
    ),
    "fails in the middle": claim(alone(listed, at=4), controls=()),
    "raises in the middle": claim(alone(listed, crash=3), controls=()),
    "leaves in the middle": claim(alone(listed, leave=3), controls=()),
    "a control raises": claim(listed, controls=(listed.but(top=0.5, crash=5),)),
    "chances fail": claim(alone(chances, bound=0.1), controls=()),
}


def cut(one, lab, parts, order=lambda units: units):
    """What an executor does, with every value sent through JSON."""
    course = Course(Plan.of(json.loads(json.dumps(asdict(plan(one, lab, parts))))))
    while units := course.ready():
        for unit in order(units):
            plain = json.loads(json.dumps(to_plain(observe(one, lab, unit)), allow_nan=False))
            course.put(unit, from_plain(plain))
    assert course.complete
    return fold(one, lab, course.seen())


def timeless(record):
    outcomes = {
        key: tuple(replace(o, seconds=0.0) for o in getattr(record, key))
        for key in ("checks", "controls")
    }
    return replace(record, seconds=0.0, **outcomes)


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("parts", [2, 3, 7, 100])
def test_a_cut_claim_gives_the_serial_record(lab, name, parts):
    whole = timeless(verify(CLAIMS[name], lab))
    assert timeless(cut(CLAIMS[name], lab, parts)) == whole
    assert timeless(cut(CLAIMS[name], lab, parts, order=lambda u: u[::-1])) == whole


def test_the_claims_above_come_to_different_ends(lab):
    """Or the test before this one would compare less than it seems to."""
    ends = {name: verify(one, lab) for name, one in CLAIMS.items()}
    assert ends["holds"].verdict is Verdict.VERIFIED, ends["holds"].explain()
    assert ends["fails in the middle"].checks[0].witness == {"n": 4}
    assert ends["fails in the middle"].checks[0].cases == 5
    assert "out of chalk" in ends["raises in the middle"].reason
    assert len(ends["raises in the middle"].checks[0].rows) == 3
    assert ends["leaves in the middle"].verdict is Verdict.SKIPPED
    assert ends["chances fail"].checks[0].witness == {"n": 0}
    assert ends["holds"].checks[1].cases == 7


def test_blocks_cover_the_listed_cases_once_and_sampled_sweeps_stay_whole(lab):
    made = plan(CLAIMS["holds"], lab, 3)
    spans = {}
    for unit in made.blocks:
        spans.setdefault(unit.name, []).append((unit.start, unit.stop))
    assert spans["listed"] == [(0, 2), (2, 4), (4, None)]
    assert spans["sampled"] == [(0, None)]
    assert made.chains[0] == ("listed", ("listed but top=0.5",))


def test_a_negative_control_waits_for_its_check_and_for_the_controls_before_it(lab):
    one = claim(chances, controls=(chances.but(bound=0.1), chances.but(bound=0.05)))
    course = Course(plan(one, lab, 2))
    first = course.ready()
    assert {u.name for u in first} == {"chances"}
    assert course.ready() == []
    for unit in first:
        course.put(unit, observe(one, lab, unit))
    look, second = course.ready()
    assert (look.name, look.again) == ("chances", True)
    course.put(look, observe(one, lab, look))
    assert second.standing == ("P", "n squared")
    course.put(second, observe(one, lab, second))
    (third,) = course.ready()
    assert third.standing == ("n squared",)


def test_a_cut_check_is_looked_at_twice_as_a_whole_one_is(lab):
    import torch

    @check(*CASES)
    def moody(lab, n, top=2.0):
        yield approx("noise", torch.rand(()).double()).at_most(top)

    one = claim(moody, controls=(moody.but(top=-1.0),))
    for record in (verify(one, lab), cut(one, lab, 3)):
        assert record.verdict is Verdict.ERROR
        assert "not reproducible" in record.reason


def test_blocks_after_the_one_that_fails_are_not_waited_for(lab):
    course = Course(plan(CLAIMS["fails in the middle"], lab, 7))
    units = {u.start: u for u in course.ready()}
    for k in (0, 1, 2, 3, 4):
        assert not course.needless(units[5])
        course.put(units[k], observe(CLAIMS["fails in the middle"], lab, units[k]))
    assert course.needless(units[5])
    assert course.complete


def test_cases_that_cannot_be_listed_are_one_unit_which_says_why(lab):
    @check(lambda lab: 1 // 0)
    def odd(lab, n, x=0):
        yield exact("x", x).equals(0)

    one = claim(odd, controls=(odd.but(x=1),))
    assert len(plan(one, lab, 5).blocks) == 1
    assert "ZeroDivisionError" in cut(one, lab, 5).reason


def test_each_comparison_tells_what_it_spent(lab):
    @check(dict(n=1), dict(n=2))
    def often(lab, n, p=1.0):
        for k, name in enumerate("PQ", 1):
            yield stats.frequency(name, [p > 0.5] * 60, lab.share(k)).at_least(0.5)

    told = verify(claim(often, controls=(often.but(p=0.0),)), lab).checks[0]
    first = lab.share(1)  # the check's; half and a sixth of it are those of P and Q
    assert {t.name: t.risk for t in told.tallies} == pytest.approx({"P": first / 2, "Q": first / 6})
    assert sum(t.risk for t in told.tallies) == pytest.approx(told.risk)


values = st.floats(-1e6, 1e6) | st.integers(-(10**30), 10**30) | st.fractions()
risks = st.floats(0, 1e-3)


@st.composite
def notes(draw):
    made = Notes(coverage="exhaustive")
    for _ in range(draw(st.integers(0, 4))):
        name, x = draw(st.sampled_from("ab")), draw(values)
        grade = draw(st.sampled_from(list(type(made.grade))))
        m = replace(exact(name, 0), lo=x, hi=x, grade=grade, risk=draw(risks))
        made.take(draw(st.sampled_from([m, m.at_most(draw(values)), row(k=x)])))
        k = draw(st.sampled_from([1, 999, 1500]))
        made.take(
            series(name, x=[0.5] * k, y=[1] * k, printed=draw(st.sampled_from([(), [2] * k])))
        )
    made.cases = draw(st.integers(0, 3))
    made.undecided = draw(st.lists(st.just("u"), max_size=2))
    if draw(st.integers(0, 3)) == 0:
        made.ended, made.error = True, draw(st.sampled_from(["", "e"]))
    return made


@settings(max_examples=60, deadline=None, database=None)
@given(notes(), notes(), notes())
def test_joining_notes_is_associative_to_the_last_bit(a, b, c):
    assert a.then(b).then(c) == a.then(b.then(c))
    assert Notes(coverage="exhaustive").then(a) == a


@settings(max_examples=60, deadline=None, database=None)
@given(notes())
def test_notes_survive_json(a):
    assert from_plain(json.loads(json.dumps(to_plain(a)))) == a
