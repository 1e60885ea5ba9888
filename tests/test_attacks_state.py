"""Ways to a verdict that was not earned, by what one observation leaves behind for another."""

import numpy as np
import pytest
import torch
from test_attacks import judged

from grokverify import Verdict, check, exact
from grokverify._settings import settings

COUNT = []
GROWING = [dict(numbers=[1]), dict(numbers=[2])]


@check(*GROWING)
def changes_its_case(lab, numbers, top=1, noise=0):
    yield exact("numbers", len(numbers)).at_most(top)
    if numbers == [2]:
        np.linalg.eigvalsh(np.eye(300))  # the other case is cheaper, and is the one seen again
        numbers.append(3)


def test_a_check_that_changes_its_case_changes_no_later_observation():
    assert judged(changes_its_case, controls=(changes_its_case.but(top=0),)).verdict is (
        Verdict.VERIFIED
    )
    assert [case["numbers"] for case in GROWING] == [[1], [2]]
    record = judged(changes_its_case, controls=(changes_its_case.but(noise=1),))
    assert record.verdict is Verdict.INCONCLUSIVE, "that control changes nothing that matters"


@check(dict(n=1))
def wears_out(lab, n, top=1, noise=0):
    COUNT.append(1)
    yield exact("uses", int(len(COUNT) > 2)).at_most(top - 1)


def test_a_control_that_fails_by_what_others_left_behind_fells_nothing():
    COUNT.clear()  # twice the check holds; then everything fails, with the control or without
    record = judged(wears_out, controls=(wears_out.but(noise=1),))
    assert record.verdict is Verdict.ERROR
    assert "after 'wears_out but noise=1' the check itself fails, 'uses' at {'n': 1}" in (
        record.reason
    )


@check(dict(n=1))
def false_in_any_case(lab, n, top=0, mended=False):
    yield exact("n", n - mended).at_most(top)


def test_a_negative_control_of_what_is_false_is_not_looked_at_twice():
    record = judged(
        false_in_any_case,
        controls=(
            false_in_any_case.but(top=-1),
            false_in_any_case.but(mended=True).must_hold(),
        ),
    )
    assert record.verdict is Verdict.REFUTED


@check(dict(n=1))
def recovers(lab, n, top=0, mended=False):
    COUNT.append(1)
    yield exact("failures", int(len(COUNT) <= 2)).at_most(top)


def test_a_positive_control_that_holds_by_what_others_left_behind_backs_nothing():
    COUNT.clear()  # the check fails twice; then everything holds, mended or not
    record = judged(recovers, controls=(recovers.but(mended=True).must_hold(),))
    assert record.verdict is Verdict.ERROR
    assert "after 'recovers but mended=True' the check itself fails no longer" in record.reason


@check(dict(n=1))
def true_in_any_case(lab, n, top=1, mended=False):
    yield exact("n", n).at_most(top)


def test_a_positive_control_of_what_holds_is_as_welcome_as_ever():
    controls = (true_in_any_case.but(top=0), true_in_any_case.but(mended=True).must_hold())
    assert judged(true_in_any_case, controls=controls).verdict is Verdict.VERIFIED


@check(dict(n=1))
def sets(lab, n, what="nothing", top=1):
    if what == "dtype":
        torch.set_default_dtype(torch.float32 if n else torch.float64)
        torch.set_default_dtype(torch.float16)
    if what == "denormals":
        torch.set_flush_denormal(True)
    if what == "errors":
        np.seterr(all="ignore")
    if what == "gradients":
        torch.set_grad_enabled(False)
    yield exact("n", n).at_most(top)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("dtype", "torch's default dtype"),
        ("denormals", "the flushing of denormals"),
        ("errors", "numpy's error handling"),
        ("gradients", "torch's gradient mode"),
    ],
)
@pytest.mark.parametrize("top", [0, 1])
def test_settings_that_others_share_are_set_back_and_the_claim_is_an_error(what, told, top):
    if what == "denormals" and not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot flush denormals")
    before = settings()
    record = judged(sets, controls=(sets.but(what=what, top=top),))
    assert settings() == before
    assert record.verdict is Verdict.ERROR
    assert f"changed {told}, on which other checks depend. It was set back" in record.reason


@check(dict(n=1))
def swallows(lab, n, bad=False):
    try:
        yield exact("n", n / 0 if bad else n).at_most(1)
    finally:
        pass


def test_a_control_that_raises_has_not_failed():
    assert judged(swallows, controls=(swallows.but(bad=True),)).verdict is Verdict.ERROR
