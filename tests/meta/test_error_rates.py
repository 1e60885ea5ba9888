"""A thousand seeded quick runs of true claims and false ones, some as near to the line as can be.

The guarantee itself is exact: 1.5e-6 a claim and direction, shown by dynamic programming in
tests/stats. Runs can only show that nothing between the statistics and the verdict loses it, so
they are repeated with a risk that is large enough to be seen.
"""

from collections import Counter

import pytest
from scipy.stats import binom, binomtest

from grokverify import Claim, Lab, Source, Verdict, check, stats, verify

BOUND, ABOVE, RUNS = 0.1, 0.1 + 1e-9, 1000


def rate(lab, p):
    return stats.decide(
        "P", lambda lab, n: lab.uniform("u", n, low=0.0) < p, lab=lab, at_most=BOUND
    )


@check()
def clearly_below(lab, p=0.05):
    yield rate(lab, p)


@check()
def on_the_line(lab, p=BOUND):
    yield rate(lab, p)


@check()
def just_above(lab, p=ABOVE):
    yield rate(lab, p)


@check()
def clearly_above(lab, p=0.2):
    yield rate(lab, p)


def claim(own):
    return Claim(
        id=f"test/{own.name.replace('_', '-')}",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(own,),
        controls=(own.but(p=0.3), own.but(p=0.01).must_hold()),
    )


TRUE = claim(clearly_below), claim(on_the_line)
FALSE = claim(just_above), claim(clearly_above)


def counted(one, **effort):
    """How often each verdict came out in RUNS seeds."""
    return Counter(verify(one, Lab(seed=seed, **effort)).verdict for seed in range(RUNS))


@pytest.mark.slow
@pytest.mark.parametrize("one", [*TRUE, *FALSE], ids=lambda one: one.id)
def test_no_wrong_verdict_in_a_thousand_quick_runs(one):
    wrong, right = Verdict.REFUTED, Verdict.VERIFIED
    if one in FALSE:
        wrong, right = right, wrong
    found = counted(one)
    most = binomtest(found[wrong], RUNS, alternative="less").proportion_ci(0.99, "exact").high
    told = ", ".join(f"{n} {verdict.value}" for verdict, n in found.items())
    print(f"{one.id}: {told}; the chance of {wrong.value} is below {most:.2g} (99 %)")
    assert found[wrong] == 0
    assert found[Verdict.ERROR] == found[Verdict.SKIPPED] == 0
    if "clearly" in one.id:
        assert found[right] == RUNS, "a pair far from the line is decided in every run"


@pytest.mark.slow
def test_a_risk_that_can_be_seen_is_not_exceeded():
    """Of alpha the first check has half, and of that its first decision half."""
    alpha = 0.4
    alarms = counted(TRUE[1], trials=1000, alpha=alpha)[Verdict.REFUTED]
    verified = counted(FALSE[0], trials=1000, alpha=alpha)[Verdict.VERIFIED]
    most = int(binom.isf(1e-6, RUNS, alpha / 4))
    print(f"at {alpha}: {alarms} false alarms, {verified} false verifications, at most {most}")
    assert 0 < verified <= most, "none at all would mean that the runs see nothing"
    assert alarms <= most, "an alarm is confirmed on fresh streams, so it is rarer still"
