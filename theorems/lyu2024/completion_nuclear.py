"""Lyu et al., Section 3.3.3: the late phase of matrix completion has minimum nuclear norm.

Cost: seconds; limit curves and certified convex programmes with d = 6.
"""

import math

import numpy as np

from grokverify import Claim, Source, approx, check, row, series
from grokverify.completion import minimum_nuclear_norm, nuclear_enclosure, nuclear_norm, sampled
from grokverify.flows.matrix import limit_flow

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Section 3.3.3",
    "2311.18817",
)

# min |W|_* over symmetric W with the observed entries: what the limit curve of lambda -> 0 tends to
# as sigma = lambda t - log alpha grows, and the global minimisers of (5) as lambda -> 0.


def instance(lab, d=6, n=22):
    """The first draw whose optimum is complementary by a tenth, so that the end comes in time."""
    for k in range(50):
        A = np.linalg.qr(lab.normal(f"factor{k}", d, 2).cpu().numpy())[0]
        X = np.outer(A[:, 0], A[:, 0]) - 0.6 * np.outer(A[:, 1], A[:, 1])
        problem = sampled(X / np.abs(X).max(), lab.subset(f"cells{k}", d * d, n).cpu())
        found = minimum_nuclear_norm(problem, gap=1e-9)
        sizes = np.sort(np.abs(np.linalg.eigvalsh(found.Z)))
        rank = int((np.abs(np.linalg.eigvalsh(found.W)) > 1e-3).sum())
        if rank == d or sizes[-rank - 1] < 0.9:
            return problem, found
    raise ValueError("none of 50 draws was complementary by a tenth.")


def worlds(lab):
    return [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))]


@check(worlds)
def curve(lab, sample, until=10.0, least="nuclear", scale=1.0):
    """Nuclear norm along the limit curve over the certified minimum; its end is feasible."""
    problem, found = instance(lab)
    sigmas = np.linspace(-2.0, until, 17)
    points = limit_flow(problem, sigmas)
    ratios = [nuclear_norm(p.W) / found.upper for p in points]
    end = scale * points[-1].W
    value = abs(np.trace(end)) if least == "trace" else nuclear_norm(end)  # W is not definite
    if sample == 0:
        yield series(
            "nuclear norm along the limit curve",
            x=sigmas,
            y=ratios,
            xlabel="lambda t - log alpha",
            ylabel="nuclear norm over its minimum",
        )
    far = np.linalg.norm(end - found.W) / np.linalg.norm(found.W)
    yield nuclear_enclosure("minimum nuclear norm", problem, found)
    yield row(sample=sample, start=ratios[0], end=ratios[-1], distance=far)
    yield approx("distance of W at the end from the minimiser", far)
    yield approx("error of the observed entries", np.abs(problem.residuals(end)).max()).at_most(
        1e-6
    )
    yield approx("|norm at the end over its minimum - 1|", abs(value / found.upper - 1)).at_most(
        1e-2
    )


@check(worlds)
def weak_decay(lab, sample, order=1.0, least=1.0):
    """Minimisers of (42): their nuclear norm approaches the minimum like lambda."""
    problem, found = instance(lab)
    gaps = []
    for lam in (1e-4, 1e-5):
        end = minimum_nuclear_norm(problem, lam, gap=1e-11)  # near rounding
        gaps.append(1 - nuclear_norm(end.W) / found.upper / least)
    seen = math.log10(gaps[0] / gaps[1]) if min(gaps) > 0 else 0.0
    yield row(sample=sample, gap=gaps[1], order=seen)
    yield approx("gap at lambda = 1e-5", abs(gaps[1])).at_most(1e-3)
    yield approx("|order in lambda - 1|", abs(seen - order)).at_most(0.05)


late_phase = Claim(
    id="lyu2024/completion-minimum-nuclear",
    source=SOURCE,
    title="The late phase completes the matrix with minimum nuclear norm",
    statement=(
        r"After the transition $W$ tends to $\arg\min \lVert W \rVert_*$ over symmetric $W$ with "
        r"the observed entries: the limit curve as $\lambda t - \log\alpha \to \infty$, and the "
        r"global minimisers of (5) as $\lambda \to 0$, with an error of order $\lambda$."
    ),
    checks=(
        curve.part("the limit curve").asymptotic("|norm at the end over its minimum - 1|"),
        weak_decay.part("global minimisers").asymptotic("gap at lambda = 1e-5"),
    ),
    controls=(
        curve.but(until=1.0),
        curve.but(scale=0.999),
        curve.but(least="trace"),
        weak_decay.but(order=0.5),
        weak_decay.but(least=0.99),
    ),
    uses=("lyu2024/completion-limit-curve",),
    gap=(
        "d = 6, 22 cells, data whose optimum is complementary by a tenth; sigma up to 10. W is "
        "held against the minimum by its norm and its observed entries; its distance from the "
        "minimiser, which falls slowly where the optimum is flat, is shown."
    ),
)
