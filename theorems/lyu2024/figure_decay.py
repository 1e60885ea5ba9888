"""Lyu et al., Figure 2 (c): weaker decay delays grokking, too strong a decay undoes the fit.

Both from ten times He's start with the last layer at 0, as published. Cost: five seconds of one
core for each delay at p = 23, half a second for each collapse at p = 13.
"""

import math

from grokverify import Claim, Source, approx, check, row
from theorems.lyu2024.figure_modular import (
    GAP,
    PAPER,
    SKIPPED,
    against_descent,
    curve,
    run,
    sizes,
)

# Published at p = 97, read off the curves as tau = lambda t = rate lambda steps: half of the test
# set at tau = 5.05, 5.55 and 7.40 for lambda = 1e-4, 3e-4 and 1e-3, so t falls like lambda^-0.83;
# for 3e-3 training peaks at 97.8 % and ends at 1.4 %, about chance, at tau of several hundreds.
WEAK, STRONG = 3e-4, 1e-3
PRINTED = 1 - math.log(7.40 / 5.55) / math.log(STRONG / WEAK)


@check(sizes)
def earlier(lab, seed, p, h, share, lam, what="test", level=0.5, middle=0.8):
    """Times t = tau / lambda of half the test set at two decays."""
    taus = []
    for decay in (WEAK, STRONG):
        found = run(lab, seed, p, h, share, decay, 10.0, True, 0.6)
        taus.append(min(found.first(what, level), 9.0))
        yield curve(f"accuracies from ten times He's start, lambda = {decay:g}", found)
    order = 1 - math.log(taus[1] / taus[0]) / math.log(STRONG / WEAK)
    yield row(p=p, h=h, weak=taus[0], strong=taus[1], order=order)
    yield approx("order of the time in 1 / lambda", order).beside(printed=PRINTED)
    yield approx("distance of that order from 0.8", abs(order - middle)).at_most(0.2)


def draws(lab):
    return [dict(seed=s) for s in range(lab.pick(smoke=1, standard=8))]


@check(draws)
def collapses(lab, seed, strength=1.0):
    """p = 13, h = 96, 75 % of the pairs, until lambda t = 20."""
    found = run(lab, seed, 13, 96, 0.75, 0.03 * strength, 10.0, True, math.inf, end=20.0)
    top, last = max(found.readings, key=lambda r: r.train), found.readings[-1]
    yield row(peak=top.train, at=top.clock, end=last.train, gradients=found.gradients)
    yield curve("accuracies under too strong a decay, p = 13", found)
    yield approx("largest training accuracy", top.train).at_least(0.92)
    yield approx("training accuracy at the end", last.train).at_most(0.3)


@check(lambda lab: [dict(lam=m) for m in (0.05, 0.1)])
def descends(lab, lam, factor=1.0):
    """The integrator at p = 5 against plain descent, at every profile."""
    yield from against_descent.observe(lab, lam, factor)


decay = Claim(
    id="lyu2024/figure-modular-decay",
    source=Source(PAPER, "Figure 2 (c)", "2311.18817"),
    title="A weaker decay delays the transition, by its inverse up to a slow factor",
    statement=(
        r"From ten times He's start half of the test set is right at a time of order "
        r"$\lambda^{-a}$ between $\lambda = 3 \cdot 10^{-4}$ and $10^{-3}$, with $a$ between 0.6 "
        r"and 1."
    ),
    checks=(earlier, against_descent.part("the integrator")),
    controls=(
        earlier.but(middle=0.5),  # the inverse root, to within as much
        earlier.but(what="train", level=0.99),
        against_descent.but(factor=1.1),
    ),
    expect=SKIPPED,
    gap=GAP,
)

collapse = Claim(
    id="lyu2024/figure-modular-collapse",
    source=Source(PAPER, "Figure 2 (c)", "2311.18817"),
    title="Too strong a decay lets the training accuracy rise first and collapse later",
    statement=(
        r"At $p = 13$ with $\lambda = 0.03$ training reaches 92 % and is below 30 % by $\lambda t "
        r"= 20$. With two thirds of that decay it is not, and with twice of it training never "
        r"reaches 92 %."
    ),
    checks=(collapses, descends.part("the integrator")),
    controls=(
        collapses.but(strength=2 / 3),
        collapses.but(strength=2.0),
        descends.but(factor=1.1),
    ),
    gap="A net so small that it does not generalise; p = 13 for 97. Flow for gradient descent.",
)
