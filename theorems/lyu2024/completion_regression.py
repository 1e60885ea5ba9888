"""Lyu et al., Lemmas D.1 to D.6 and D.8, on matrix completion, with their sharp constants.

Cost: seconds; flows of the factors with d = 4, alpha up to 300.
"""

import math

import numpy as np

from grokverify import Claim, Source, approx, check, row, series
from grokverify.completion import observe
from grokverify.flows.factors import factor_flow

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Lemmas D.1 to D.6 and D.8",
    "2311.18817",
)

# Regression, L = 2, theta = (U, V) from alpha (I, I), lambda = 1/alpha, tau = lambda t,
# eps = alpha e^(-tau), A = alpha^2 / lambda,
#     delta = theta / eps - (I, I),   h = eps^2 delta,   s_i = f_i - y_i,
# with distinct entries i <= j, so that the NTK features at (I, I) are orthogonal, of square norm 8
# on the diagonal and 4 off it, and nu = 4 where an off-diagonal entry is observed.
# On the limit curve delta = (X, -X) / (4 eps^2) + (X^2, X^2) / (32 eps^4) + ..


def instance(lab, d=4, n=7):
    A = lab.normal("factor", d, 2).cpu().numpy()
    X = np.outer(A[:, 0], A[:, 0]) - 0.5 * np.outer(A[:, 1], A[:, 1])
    i, j = np.triu_indices(d)
    kept = lab.subset("cells", len(i), n).cpu().numpy()
    return observe(X / np.abs(X).max(), np.stack([i[kept], j[kept]], 1))


def flow(problem, alpha, taus):
    """(delta, eps) along the flow."""
    eye = np.eye(problem.d)
    ends = factor_flow(problem, alpha * eye, alpha * eye, 1 / alpha, taus, rtol=1e-10)
    scales = alpha * np.exp(-np.asarray(taus))
    return [(np.stack([U, V]) / e - eye, e) for (U, V), e in zip(ends, scales, strict=True)]


def outside(problem, delta):
    """The part of delta orthogonal to the NTK features (E_k, -E_k), E_k symmetric."""
    odd = (delta[0] - delta[1]) / 2
    fit = np.where(problem.mask(), (odd + odd.T) / 2, 0.0)
    return delta - np.stack([fit, -fit])


def held(delta, eps):
    U, V = delta + np.eye(delta.shape[1])
    return eps**2 * (U @ U.T - V @ V.T)


def worlds(lab):
    return [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))]


@check(worlds)
def loss_bound(lab, sample, constant=16.0, rate=0.125):
    """D.1, (26), from the start to lambda t = log alpha - 1/2."""
    problem = instance(lab)
    n, size, nu, worst = problem.n, float(problem.values @ problem.values), 4.0, -math.inf
    for alpha in (10.0, 100.0, 300.0):
        lam, A = 1 / alpha, alpha**3
        early = np.geomspace(0.03, 30, 12) * n / A
        taus = np.unique(np.concatenate([early, np.linspace(0.2, 1, 5) * (math.log(alpha) - 0.5)]))
        losses = [problem.loss(held(delta, e)) for delta, e in flow(problem, alpha, taus)]
        for tau, loss in zip(taus, losses, strict=True):
            first = size / n * math.exp(-nu * A * rate / n * -math.expm1(-2 * tau))
            second = constant * n * 4 * size * lam**2 / nu**2 / alpha**4 * math.exp(4 * tau)
            worst = max(worst, math.log(loss / max(first, second)))
    yield row(sample=sample, worst=worst)
    yield approx("largest log of loss over (26)", worst).at_most(0)


@check(worlds)
def displacement(lab, sample, factor=1.0, power=2):
    """D.2 and D.5: |delta| eps^2 = |h| tends to sqrt 2 / 4 |X|_F at c = 1/2.

    It stays bounded until lambda t = log alpha + Delta T, here with Delta T = -1/2.
    """
    problem = instance(lab)
    law = math.sqrt(2) / 4 * np.linalg.norm(problem.observed()) * factor
    sizes, tops = [], []
    for alpha in (30.0, 200.0):
        half, last = 0.5 * math.log(alpha), math.log(alpha) - 0.5
        taus = [1e-6, 1e-4, 1e-2, 0.1 * half, half, *np.linspace(half, last, 6)[1:]]
        found = [np.linalg.norm(delta) * e**power for delta, e in flow(problem, alpha, taus)]
        sizes.append(found[4])
        tops.append(max(found))
    yield row(sample=sample, norm_of_h=sizes[-1], law=law, largest=tops[-1])
    yield approx("||h| / law - 1| at alpha = 200", abs(sizes[-1] / law - 1)).at_most(1e-3)
    growth = tops[-1] / tops[0]
    yield approx("largest |h| until then, alpha = 200 over 30", growth).at_most(1.02)


@check(lambda lab: [dict(c=c, **w) for w in worlds(lab) for c in (0.3, 0.5)])
def orthogonal(lab, c, sample, order=4.0, quadratic=32.0):
    """D.3 and D.6: the part of delta off the features is |X^2| / (32 eps^4) twice: order 4c."""
    problem = instance(lab)
    X = problem.observed()
    law = math.sqrt(2) * np.linalg.norm(X @ X) / quadratic
    parts, angles, alphas = [], [], (30.0, 200.0)
    for alpha in alphas:
        ((delta, eps),) = flow(problem, alpha, [(1 - c) * math.log(alpha)])
        parts.append(np.linalg.norm(outside(problem, delta)))
        angles.append(parts[-1] / np.linalg.norm(delta))
    seen = math.log(parts[0] / parts[1]) / math.log(alphas[1] / alphas[0])
    if sample == 0:
        yield series(
            f"c = {c}",
            plot="share of delta off the NTK features",
            x=alphas,
            y=angles,
            xlabel="alpha",
            ylabel="|delta off the features| / |delta|",
            log="xy",
        )
    yield row(c=c, sample=sample, share=angles[-1], order=seen)
    yield approx("share of delta off the features", angles[-1])
    yield approx("|order in 1/alpha - 4c|", abs(seen - order * c)).at_most(0.1)
    yield approx("|part off the features / law - 1|", abs(parts[-1] * eps**4 / law - 1)).at_most(
        0.05
    )


@check(worlds)
def linearised(lab, sample, order=4.0, slope=1.0):
    """D.4: f(theta) - <grad f(I, I), h> is at most of order eps^-2; here of order eps^-4.

    W is odd in the displacement along the features, so that its second order vanishes.
    """
    problem, gaps, alphas = instance(lab), [], (10.0, 100.0)
    for alpha in alphas:
        ((delta, eps),) = flow(problem, alpha, [0.5 * math.log(alpha)])
        h = eps**2 * delta
        linear = slope * (h[0] + h[0].T - h[1] - h[1].T)
        gaps.append(np.abs(held(delta, eps) - linear).max())
    seen = math.log(gaps[0] / gaps[1]) / math.log(alphas[1] / alphas[0])
    yield row(sample=sample, gap=gaps[-1], order=seen)
    yield approx("order in 1/alpha at c = 1/2", seen).at_least(1 - 0.05)
    yield approx("|that order - 4c|", abs(seen - order * 0.5)).at_most(0.05)


@check(worlds)
def bounded(lab, sample, early=0.0):
    """D.8: the largest norm from lambda t = log alpha to 1.5 log alpha, at three alpha."""
    problem, tops = instance(lab), []
    for alpha in (10.0, 30.0, 100.0):
        taus = np.linspace(1.0 - early, 1.5, 6) * math.log(alpha)
        thetas = [e * (delta + np.eye(4)) for delta, e in flow(problem, alpha, taus)]
        tops.append(max(float(np.linalg.norm(t)) for t in thetas))
    yield row(sample=sample, at_10=tops[0], at_100=tops[2])
    yield approx("largest norm at alpha = 100 over that at 10", tops[2] / tops[0]).at_most(1.1)


lemmas = Claim(
    id="lyu2024/completion-regression-lemmas",
    source=SOURCE,
    title="The lemmas of the kernel regime for regression, on matrix completion",
    statement=(
        r"Before $\frac1\lambda (\log\alpha + \Delta T)$: the loss is bounded by (26); $\lVert "
        r"\delta \rVert = O(\alpha^{-L} e^{L \lambda t})$; at $T_c^-$ the part of $\delta$ off the "
        r"NTK features is $O(\alpha^{-2cL})$ while $\lVert h \rVert = \Theta(1)$; $f(\theta; x) = "
        r"\langle \nabla f, h \rangle + O(\alpha^{-L} e^{L \lambda t}) \lVert h \rVert$; and "
        r"$\lVert \theta \rVert = O(1)$ from $\frac1\lambda \log\alpha$ on."
    ),
    checks=(
        loss_bound.part("D.1"),
        displacement.part("D.2 and D.5"),
        orthogonal.part("D.3 and D.6").asymptotic("share of delta off the features"),
        linearised.part("D.4"),
        bounded.part("D.8"),
    ),
    controls=(
        loss_bound.but(rate=3.0),
        loss_bound.but(constant=0.05),
        displacement.but(factor=1.01),
        displacement.but(power=3),
        orthogonal.but(order=2.0),
        orthogonal.but(quadratic=16.0),
        linearised.but(order=4.5),
        linearised.but(slope=1.01),
        bounded.but(early=0.5),
    ),
    uses=("lyu2024/completion-limit-curve",),
    gap=(
        "One model (L = 2, p = 1), d = 4. Slips of the text: (23) drops 1/n; D.1's proof drops the "
        "2 of the gradient, so that (25) should have 2 lambda L / sqrt n, and (26) holds all the "
        "same; D.5 writes e^(-cL) for alpha^(-cL); D.6 lets alpha tend to 0."
    ),
)
