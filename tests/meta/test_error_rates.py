"""A thousand seeded runs of a true claim and a false one, each as near to the line as can be.

The guarantee itself is exact: 1.5e-6 a claim and direction, shown by dynamic programming in
tests/stats. Runs can only show that nothing between the statistics and the verdict loses it, so
they are repeated with a risk that is large enough to be seen.
"""

import pytest
from scipy.stats import binom, binomtest

from grokverify import Claim, Lab, Source, Verdict, check, stats, verify
from grokverify._lab import RISK_BUDGET

BOUND, ABOVE, RUNS = 0.1, 0.1 + 1e-9, 1000


def rate(lab, p):
    return stats.decide("P", lambda lab, n: lab.uniform("u", n, low=0.0) < p, lab=lab, at_most=0.1)


@check()
def on_the_line(lab, p=BOUND):
    yield rate(lab, p)


@check()
def just_above(lab, p=ABOVE):
    yield rate(lab, p)


def claim(name, own):
    return Claim(
        id=f"test/{name}",
        source=Source("A paper", "Theorem 1"),
        statement="s",
        checks=(own,),
        controls=(own.but(p=0.3), own.but(p=0.01).must_hold()),
    )


CLAIMS = (claim("on-the-line", on_the_line), claim("just-above", just_above))


def wrong(alpha, trials):
    """False alarms and false verifications in RUNS seeds."""
    alarms = verified = 0
    for seed in range(RUNS):
        lab = Lab(seed=seed, trials=trials, alpha=alpha)
        alarms += verify(CLAIMS[0], lab).verdict is Verdict.REFUTED
        verified += verify(CLAIMS[1], lab).verdict is Verdict.VERIFIED
    return alarms, verified


@pytest.mark.slow
def test_no_wrong_verdict_in_a_thousand_runs():
    counts = wrong(RISK_BUDGET, trials=2000)
    most = binomtest(0, RUNS).proportion_ci(0.99, "exact").high
    print(f"(false alarms, false verifications) = {counts} of {RUNS} each: below {most:.2g}")
    assert counts == (0, 0)


@pytest.mark.slow
def test_a_risk_that_can_be_seen_is_not_exceeded():
    """Of alpha the first check has half, and of that its first decision half."""
    alpha = 0.4
    alarms, verified = wrong(alpha, trials=1000)
    most = int(binom.isf(1e-6, RUNS, alpha / 4))
    print(f"at {alpha}: {alarms} false alarms, {verified} false verifications, at most {most}")
    assert 0 < verified <= most, "none at all would mean that the runs see nothing"
    assert alarms <= most, "an alarm is confirmed on fresh streams, so it is rarer still"
