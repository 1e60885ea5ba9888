"""What a claim and a check refuse to be."""

import pytest
from hypothesis import strategies as st

from grokverify import Claim, Lab, Source, Verdict, check, exact

PAPER = Source("A paper", "Theorem 1")


@check(n=st.integers(0, 9))
def square(lab, n, power=2):
    yield exact("square", n**power).at_least(0)


@check()
def cube(lab):
    yield exact("cube", 1).equals(1)


def claim(**changed):
    fields = {"id": "a/b", "source": PAPER, "statement": "s", "checks": (square,)}
    return Claim(**{**fields, **changed})


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    "bad",
    ["../x", "a b", "A/b", "", "a//b", "<script>", "a/../b", "x" * 200, "/etc/x", "a\0b", "..\\x"],
)
def test_a_malformed_id_is_refused(bad):
    with pytest.raises(ValueError, match="is malformed. Use lower-case words"):
        claim(id=bad)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"checks": ()}, "has no check, so nothing could refute it"),
        ({"origin": "them"}, "origin is 'them'"),
        ({"uses": "a/c"}, "uses must be a tuple"),
        ({"checks": (square, square)}, "two checks or controls called 'square'"),
        (
            {"controls": (square,), "checks": (square.but(power=1),)},
            "is a control among the checks",
        ),
        ({"controls": (cube,)}, "'cube' is not a control of one"),
    ],
)
def test_claims_refuse_with_a_reason(changed, text):
    with pytest.raises(ValueError, match=text):
        claim(**changed)


def test_but_names_only_ingredients():
    with pytest.raises(TypeError, match=r"but\(n\) names no ingredient.*are: power"):
        square.but(n=3)
    with pytest.raises(TypeError, match=r"but\(pwoer\) names no ingredient"):
        square.but(pwoer=3)
    with pytest.raises(TypeError, match="names no ingredient"):
        square.but()


def test_controls_know_their_parent_and_polarity():
    negative, positive = square.but(power=3), square.but(power=4).must_hold()
    assert (negative.name, negative.breaks, negative.must) == (
        "square but power=3",
        "square",
        "fail",
    )
    assert (positive.breaks, positive.must) == ("square", "hold")
    with pytest.raises(TypeError, match="needs a control"):
        square.must_hold()


def test_a_check_and_its_domain_must_fit():
    with pytest.raises(TypeError, match="quantifies over .'m'. but observes .'n'."):

        @check(m=st.integers())
        def wrong(lab, n):
            yield exact("x", n).equals(n)

    with pytest.raises(TypeError, match="either cases or strategies"):
        check({"n": 1}, n=st.integers())
    with pytest.raises(TypeError, match=r"no \*args or \*\*kwargs"):

        @check()
        def starred(lab, **rest):
            yield exact("x", 1).equals(1)


def test_the_lab_may_choose_the_cases():
    @check(lambda lab: [{"n": n} for n in lab.pick(smoke=(1,), quick=(1, 2))])
    def chosen(lab, n):
        yield exact("n", n).at_least(1)

    assert len(chosen.cases(Lab(profile="smoke"))) == 1
    assert len(chosen.cases(Lab(profile="quick"))) == 2


def test_the_expected_verdict_may_depend_on_the_profile():
    one = claim(expect={"smoke": Verdict.INCONCLUSIVE})
    assert one.expected("smoke") is Verdict.INCONCLUSIVE
    assert one.expected("quick") is Verdict.VERIFIED


def test_a_severity_is_one_of_four():
    assert claim(severity="S1").severity == "S1"
    with pytest.raises(ValueError, match="severity is 'grave'; choose of 'S0' a headline"):
        claim(severity="grave")
