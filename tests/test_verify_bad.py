"""Bad claims: exceptions, NaN, wrong types, vacuity, warnings, hostile text."""

import pytest
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, approx, check, exact, verify

PAPER = Source("A paper", "Theorem 1")


def claim(*checks, controls=(), **fields):
    return Claim(
        id="test/claim", source=PAPER, statement="s", checks=checks, controls=controls, **fields
    )


@pytest.mark.fault(1)
def test_an_exception_is_an_error_with_its_traceback(lab):
    @check()
    def broken(lab, x=0):
        yield exact("x", x).equals(0)
        raise RuntimeError("out of chalk")

    r = verify(claim(broken, controls=(broken.but(x=1),)), lab)
    assert r.verdict is Verdict.ERROR
    assert "out of chalk" in r.reason
    assert "RuntimeError" in r.checks[0].error


@pytest.mark.fault(7)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_an_error_and_never_a_verdict(lab, value):
    @check()
    def bad(lab, bound=1.0):
        yield approx("x", torch.tensor(value)).at_most(bound)

    r = verify(claim(bad, controls=(bad.but(bound=0.0),)), lab)
    assert r.verdict is Verdict.ERROR
    assert "never evidence" in r.reason


@pytest.mark.fault(8)
@pytest.mark.parametrize("wrong", [3.5, True, "holds", None, torch.zeros(2)])
def test_a_wrong_type_is_an_error_that_shows_how_to_yield(lab, wrong):
    @check()
    def bad(lab, x=0):
        yield wrong

    r = verify(claim(bad, controls=(bad.but(x=1),)), lab)
    assert r.verdict is Verdict.ERROR
    assert f"yielded {type(wrong).__name__}" in r.reason
    assert "it yields comparisons such as" in r.reason


@pytest.mark.fault(8)
def test_a_check_that_returns_instead_of_yielding_is_an_error(lab):
    @check()
    def bad(lab, x=0):
        return 1.0

    r = verify(claim(bad, controls=(bad.but(x=1),)), lab)
    assert r.verdict is Verdict.ERROR
    assert "returned float. A check is a generator" in r.reason


@pytest.mark.fault(18)
def test_a_check_that_compares_nothing_is_vacuous(lab):
    @check()
    def silent(lab, x=0):
        yield exact("x", x)

    r = verify(claim(silent, controls=(silent.but(x=1),)), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "vacuous: nothing was compared" in r.reason


@pytest.mark.fault(18)
def test_an_empty_list_of_cases_is_vacuous(lab):
    @check(lambda lab: [])
    def nothing(lab, n, x=0):
        yield exact("x", x).equals(0)

    r = verify(claim(nothing, controls=(nothing.but(x=1),)), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "vacuous" in r.reason


@pytest.mark.fault(18)
def test_a_domain_that_filters_everything_is_vacuous(lab):
    @check(n=st.integers().filter(lambda n: False))
    def empty(lab, n, x=0):
        yield exact("x", x).equals(0)

    r = verify(claim(empty, controls=(empty.but(x=1),)), lab)
    assert r.verdict is Verdict.INCONCLUSIVE
    assert "vacuous" in r.reason


@pytest.mark.fault(17)
@pytest.mark.parametrize("domain", [{"n": st.integers(0, 1000)}, None])
def test_an_unseeded_check_is_an_error(lab, domain):
    def moody(lab, n=0, top=2.0):
        yield approx("noise", torch.rand(()).double()).at_most(top)

    def moody_case(lab, n, top=2.0):
        yield from moody(lab, n, top)

    one = check(**domain)(moody_case) if domain else check()(moody)
    r = verify(claim(one, controls=(one.but(top=-1.0),)), lab)
    assert r.verdict is Verdict.ERROR
    assert "not reproducible: two observations of" in r.reason
    assert "Draw every random number from the lab" in r.reason


def test_warnings_of_a_check_do_not_turn_its_verdict(lab):
    """These tests run with warnings as errors; a claim under them has the verdict it always has."""
    import warnings

    @check()
    def noisy(lab, x=0):
        warnings.warn("old name", DeprecationWarning, stacklevel=1)
        yield exact("x", x).equals(0)

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("error")
        r = verify(claim(noisy, controls=(noisy.but(x=1),)), lab)
    assert r.verdict is Verdict.VERIFIED


@pytest.mark.fault(20)
def test_hostile_text_does_no_harm(lab):
    text = "<script>alert(1)</script>\x1b[31m" + "x" * 1_000_000

    @check()
    def loud(lab, x=0):
        raise RuntimeError(text)
        yield

    one = Claim(
        id="test/hostile",
        source=Source(text, text),
        statement=text,
        gap=text,
        checks=(loud,),
        controls=(loud.but(x=1),),
    )
    assert verify(one, lab).verdict is Verdict.ERROR
