"""The one execution path, on good and on bad claims."""

import hashlib

import pytest
from hypothesis import strategies as st

from grokverify import (
    Claim,
    Grade,
    Lab,
    Skip,
    Source,
    Truth,
    Verdict,
    approx,
    check,
    exact,
    replay,
    row,
    series,
    stats,
    verify,
)

PAPER = Source("A paper", "Theorem 1")


def claim(*checks, controls=(), **fields):
    return Claim(
        id="test/claim", source=PAPER, statement="s", checks=checks, controls=controls, **fields
    )


@check(n=st.integers(0, 100))
def sums(lab, n, slope=2, top=101):
    """The sum of the first n odd numbers is n squared, for n < top."""
    total = sum(slope * k + 1 for k in range(n))
    yield exact("excess", total - n * n if n < top else 1).equals(0)


@check({"n": 3}, {"n": 5})
def listed(lab, n, off=0):
    yield exact("n", n + off).at_least(3)
    yield row(n=n)
    yield series("n", x=n, y=n)


def test_a_true_claim_with_its_controls_is_verified(lab):
    r = verify(claim(sums, controls=(sums.but(slope=3),)), lab)
    assert r.verdict is Verdict.VERIFIED
    assert r.strongest.grade is Grade.EXACT
    assert r.strongest.coverage == "sampled"
    assert r.controls[0].felled == ("excess",)
    assert r.risk == 0


def test_a_false_claim_is_refuted_with_a_shrunk_witness():
    r = verify(_false(), Lab(profile="quick"))
    assert r.verdict is Verdict.REFUTED
    assert r.checks[0].witness == {"n": 30}
    assert "n=30" in r.reason


def _false():
    @check(n=st.integers(0, 100))
    def small(lab, n, top=30):
        yield exact("n too large", int(n >= top)).equals(0)

    return claim(small, controls=(small.but(top=101).must_hold(),), expect=Verdict.REFUTED)


def test_a_refuted_check_without_a_positive_control_accuses_nobody():
    lonely = _false()
    r = verify(claim(*lonely.checks), Lab(profile="quick"))
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "nothing shows that this comparison of 'small' could hold" in r.reason
    assert r.checks[0].witness == {"n": 30}


def test_a_positive_control_that_fails_makes_the_refutation_toothless():
    (small,) = _false().checks
    r = verify(claim(small, controls=(small.but(top=31).must_hold(),)), Lab(profile="quick"))
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "had to hold but came out fails" in r.reason


@pytest.mark.fault(19)
def test_a_surviving_negative_control_is_toothless(lab):
    r = verify(claim(sums, controls=(sums.but(top=102),)), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "no negative control of 'sums' fells the comparison 'excess'" in r.reason


@pytest.mark.fault(19)
def test_no_control_at_all_is_toothless(lab):
    r = verify(claim(sums), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "no negative control shows that 'sums' can fail" in r.reason


def test_every_named_comparison_needs_a_control_that_fells_it(lab):
    @check()
    def two(lab, a=0, b=0):
        yield exact("a", a).equals(0)
        yield exact("b", b).equals(0)

    half = verify(claim(two, controls=(two.but(a=1),)), lab)
    assert half.verdict is Verdict.INCONCLUSIVE
    assert "fells the comparison 'b'" in half.reason
    whole = verify(claim(two, controls=(two.but(a=1), two.but(b=1))), lab)
    assert whole.verdict is Verdict.VERIFIED
    assert [c.felled for c in whole.controls] == [("a",), ("b",)]


def test_a_skipped_check_says_what_it_needs(lab):
    @check()
    def large(lab, x=0):
        raise Skip("needs the paper profile")
        yield

    r = verify(claim(large, controls=(large.but(x=1),)), lab)
    assert r.verdict is Verdict.SKIPPED
    assert "needs the paper profile" in r.reason


def test_overlap_is_inconclusive(lab):
    @check()
    def close(lab, x=1.0):
        yield approx("x", x, 0.1).at_most(1.05)

    r = verify(claim(close, controls=(close.but(x=2.0),)), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "undecided to be at most" in r.reason


def test_checks_that_disagree_at_a_point_are_inconclusive(lab):
    @check({"n": 3})
    def floats(lab, n, x=0.0):
        yield approx("x", x + 1).at_most(0.5)

    @check({"n": 3})
    def exactly(lab, n, x=0):
        yield exact("x", x).at_most(0)

    controls = (floats.but(x=-1.0).must_hold(), exactly.but(x=1))
    r = verify(claim(floats, exactly, controls=controls), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "the checks disagree" in r.reason


def test_a_failure_outside_the_stronger_checks_domain_refutes(lab):
    @check({"n": 9})
    def floats(lab, n, x=0.0):
        yield approx("x", x + 1).at_most(0.5)

    @check({"n": 3})
    def exactly(lab, n, x=0):
        yield exact("x", x).at_most(0)

    controls = (floats.but(x=-1.0).must_hold(), exactly.but(x=1))
    assert verify(claim(floats, exactly, controls=controls), lab).verdict is Verdict.REFUTED


def test_a_statistical_failure_is_confirmed_on_fresh_streams_and_not_shrunk(lab):
    @check(n=st.integers(1, 1000))
    def often(lab, n, p=0.9):
        draw = lambda place, k: place.uniform("u", k, low=0.0) < p  # noqa: E731
        yield stats.decide("P", draw, lab=lab, at_most=0.5)

    r = verify(claim(often, controls=(often.but(p=0.1).must_hold(),)), lab)
    assert r.verdict is Verdict.REFUTED
    assert r.checks[0].grade is Grade.STATISTICAL
    assert r.checks[0].cases <= 1
    assert 0 < r.checks[0].risk <= lab.alpha


def test_spending_more_risk_than_a_case_has_is_an_error(lab):
    @check()
    def greedy(lab, p=0.1):
        draw = lambda place, k: place.uniform("u", k, low=0.0) < p  # noqa: E731
        for name in "abc":
            yield stats.decide(name, draw, lab=lab, at_most=0.5)

    r = verify(claim(greedy, controls=(greedy.but(p=0.9),)), lab)
    assert r.verdict is Verdict.ERROR
    assert "over its budget" in r.reason


def test_asymptotic_checks_must_measure_their_residual(lab):
    @check()
    def limit(lab, x=0.0):
        yield approx("gap", x).at_most(0.1)

    named, unnamed = limit.asymptotic("gap"), limit.asymptotic("residual")
    good = verify(claim(named, controls=(named.but(x=1.0),)), lab)
    assert good.verdict is Verdict.VERIFIED
    assert good.strongest.coverage == "asymptotic"
    bad = verify(claim(unnamed, controls=(unnamed.but(x=1.0),)), lab)
    assert bad.verdict is Verdict.INCONCLUSIVE
    assert "must measure 'residual'" in bad.reason


def test_rows_series_and_hulls_are_joined_over_the_cases(lab):
    r = verify(claim(listed, controls=(listed.but(off=-9),)), lab)
    (o,) = r.checks
    assert o.coverage == "exhaustive"
    assert [dict(line.columns) for line in o.rows] == [{"n": 3}, {"n": 5}]
    assert o.series[0].x == (3, 5)
    assert (o.constants[0].lo, o.constants[0].hi) == (3, 5)


def test_the_same_seed_gives_the_same_record_and_another_seed_other_draws(lab):
    @check(d=st.integers(1, 5))
    def draw(lab, d, top=99.0):
        yield approx("norm", lab.normal("x", d).norm()).at_most(top)

    one = claim(draw, controls=(draw.but(top=0.0),))
    a, b, c = verify(one, lab), verify(one, lab), verify(one, Lab(profile="smoke", seed=7))
    assert a.checks[0].constants == b.checks[0].constants
    assert a.checks[0].constants != c.checks[0].constants


def test_replay_observes_the_recorded_witness(lab):
    false = _false()
    seen = replay(false, lab, "small", {"n": 30})
    assert [c.truth for c in seen] == [Truth.FAILS]
    with pytest.raises(LookupError, match="has no check called 'big'. It has: 'small'"):
        replay(false, lab, "big", {"n": 30})


def test_the_source_hash_is_that_of_the_file(lab):
    r = verify(claim(sums, controls=(sums.but(slope=3),)), lab)
    with open(__file__, "rb") as file:
        told = repr(("s", ["sums", "sums but slope=3"])).encode()
        assert r.source_sha256 == hashlib.sha256(told + file.read()).hexdigest()


def test_a_check_of_one_clause_never_speaks_for_the_claim(lab):
    @check()
    def strong(lab, x=0):
        yield exact("x", x).equals(0)

    @check()
    def weak(lab, y=0.0):
        yield approx("y", y).at_most(1e-3)

    controls = (strong.but(x=1), weak.but(y=1.0))
    whole = verify(claim(strong, weak, controls=controls), lab)
    assert whole.strongest.check == "strong"
    beside = verify(claim(strong.part("a"), weak, controls=controls), lab)
    assert beside.strongest.check == "weak", "the check of the whole statement counts"
    split = verify(claim(strong.part("a"), weak.part("b"), controls=controls), lab)
    assert split.strongest.check == "weak", "the weakest clause counts"
    lines = verify(claim(strong.part("a"), weak.part("a"), controls=controls), lab)
    assert lines.strongest.check == "strong", "two lines on one clause: the better one counts"
