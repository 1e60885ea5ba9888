"""Lyu et al., Corollary 3.11: what matrix completion holds in the kernel regime, and how exactly.

Cost: seconds; flows for d up to 8, a series in rational arithmetic.
"""

import math

import numpy as np
import sympy as sp

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.completion import sampled
from grokverify.flows.factors import factor_flow
from grokverify.flows.matrix import limit_flow, matrix_flow
from grokverify.symbolic import residue

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Corollary 3.11",
    "2311.18817",
)

# U(0) = V(0) = alpha I,  T_c = (1 - c)/lambda log alpha,  lambda = alpha^-p. As alpha -> infinity
#     W_ij(T_c) -> X*_ij if (i, j) or (j, i) is observed, and -> 0 otherwise.
# With X the observed entries of X* and zeros elsewhere, P the projection on observed entries,
# z = 1/eps^2 (eps = alpha^c at T_c), the limit curve of lambda -> 0 starts as
#     K = z X/2 - z^3 P(X^3)/48 + O(z^5),   W = 2 sinh(K)/z = X + z^2 (X^3 - P(X^3))/24 + O(z^4),
# so that the entries that were not observed are  alpha^(-4c) (X^3)_ij / 24  to leading order.


def instance(lab, d=8, n=26):
    A = lab.normal("factor", d, 2).cpu().numpy()
    X = (np.outer(A[:, 0], A[:, 0]) - 0.5 * np.outer(A[:, 1], A[:, 1])) / d
    return X / np.abs(X).max(), lab.subset("cells", d * d, n).cpu()


def worlds(lab):
    return [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))]


@check(lambda lab: [dict(c=c, **w) for w in worlds(lab) for c in (0.25, 0.5, 0.75)])
def finite(lab, c, sample, lift=1.0, filled=0.0):
    """lambda = 1/alpha; the reduced flow at three growing alpha."""
    X, cells = instance(lab)
    problem = sampled(X, cells)
    seen, worst = problem.mask(), []
    alphas = [10.0**k for k in (1.0, 1.75, 2.5)]
    for alpha in alphas:
        tau = lift * (1 - c) * math.log(alpha)
        (point,) = matrix_flow(problem, alpha, 1 / alpha, [tau])
        target = np.where(seen, X, filled * X)
        worst.append(np.abs(point.W - target).max())
    order = math.log(worst[-2] / worst[-1]) / math.log(alphas[-1] / alphas[-2])
    if sample == 0:
        yield series(
            f"c = {c}",
            plot="distance of W from its limit",
            x=alphas,
            y=worst,
            xlabel="alpha",
            ylabel="largest entry of W(T_c) minus its limit",
            log="xy",
        )
    yield row(c=c, sample=sample, at_largest_alpha=worst[-1], order=order)
    yield approx("distance at the largest alpha", worst[-1])
    expected = min(4 * c, 1 + 2 * c)
    yield approx("order of decay in alpha over its law", order / expected).at_least(0.8)


@check(lambda lab: [dict(c=c, **w) for w in worlds(lab) for c in (0.25, 0.75)])
def by_factors(lab, c, sample, identity=True):
    """The factors themselves, from lambda = 1/alpha; d = 4."""
    X, cells = instance(lab, 4, 7)
    problem, distances = sampled(X, cells), []
    mask = problem.mask()
    for alpha in (30.0, 100.0):
        U = alpha * (np.eye(4) if identity else np.ones((4, 4)) / 4 + np.eye(4))
        ((A, B),) = factor_flow(problem, U, U, 1 / alpha, [(1 - c) * math.log(alpha)])
        W = A @ A.T - B @ B.T
        distances.append(np.abs(W - np.where(mask, X, 0.0)).max())
    order = math.log(distances[0] / distances[1]) / math.log(100 / 30)
    yield row(c=c, sample=sample, at_alpha_100=distances[1], order=order)
    yield approx("distance at alpha = 100", distances[1])
    yield approx("order of decay in alpha", order).at_least(0.8 * min(4 * c, 1 + 2 * c))


kernel_regime = Claim(
    id="lyu2024/completion-kernel-regime",
    source=SOURCE,
    title="Before the transition unobserved entries are filled with zeros",
    statement=(
        r"From $U(0) = V(0) = \alpha I$ and for every $c \in (0, 1)$, as $\alpha \to \infty$ with "
        r"$\lambda = \alpha^{-p}$, $W(T_c^-)_{ij} \to X^*_{ij}$ if $(i, j)$ or $(j, i)$ is "
        r"observed, and to 0 otherwise, where $T_c^- = \frac{1-c}{\lambda} \log\alpha$."
    ),
    checks=(
        finite.asymptotic("distance at the largest alpha"),
        by_factors.asymptotic("distance at alpha = 100"),
    ),
    controls=(
        finite.but(lift=2.0),
        finite.but(filled=0.01),
        by_factors.but(identity=False),
    ),
    uses=("lyu2024/completion-reduction",),
    gap=(
        "p = 1, three values of c, d = 8 and 4. The text derives it from Theorem 3.9, whose "
        "Assumption 3.8 fails if both (i, j) and (j, i) are drawn; the limit holds all the same, "
        "and the data here contain such pairs."
    ),
)


# The same in exact arithmetic: the series of the limit curve, order by order. In powers of
# z = 1/eps^2, sigma = -log eps, dz/dsigma = 2 z:  K = z B1 + z^3 B3, Gamma = z C1 + z^3 C3 with
# C1, C3 supported on observed entries, and dK/dsigma = -2 (Gamma + [K, [K, Gamma]]/12 + ...).


def fractions(M):
    return sp.Matrix(M.shape[0], M.shape[1], lambda i, j: sp.Rational(int(M[i, j]), 7))


def bracket(A, B):
    return A * B - B * A


@check(lambda lab: [dict(d=d) for d in lab.pick(smoke=(4,), quick=(4, 5, 6))])
def expansion(lab, d, over=24, quadratic=0):
    """Rational data: the claimed K solves the equations of the limit curve up to order z^3."""
    entries = np.asarray(lab.integers("entries", 1, 10, d, d).cpu())
    seen = np.asarray(lab.uniform("seen", d, d).cpu()) > 0.2
    seen[0, 1] = seen[1, -1] = True  # so that X^2 and X^3 do not vanish at the hidden (0, d - 1)
    seen[0, -1] = False
    seen = np.triu(seen) | np.triu(seen).T
    X = fractions(np.where(seen, np.triu(entries) + np.triu(entries, 1).T, 0))
    cube = X**3
    kept = sp.Matrix(d, d, lambda i, j: cube[i, j] if seen[i, j] else 0)
    B1, B2, B3 = X / 2, quadratic * X**2, -kept / (2 * over)
    # order z: 2 B1 = -2 C1; order z^2 likewise; order z^3: 6 B3 = -2 (C3 + [B1, [B1, C1]] / 12)
    C1, C2 = -B1, -2 * B2
    C3 = -3 * B3 - bracket(B1, bracket(B1, C1)) / 12
    outside = [C[i, j] for C in (C1, C2, C3) for i in range(d) for j in range(d) if not seen[i, j]]
    yield exact("entries of Gamma off the observed ones", sum(e != 0 for e in outside)).equals(0)
    # W z = 2 sinh K = z 2 B1 + z^2 2 B2 + z^3 (2 B3 + B1^3 / 3)
    W = 2 * B3 + B1**3 / 3
    moved = [M[i, j] for M in (B2, W) for i in range(d) for j in range(d) if seen[i, j]]
    missed = sum(e != 0 for e in moved)
    yield exact("observed entries that move at orders z^2 and z^3", missed).equals(0)
    wrong = W - (cube - kept) / over
    yield residue("terms of W - (X^3 - P(X^3))/24 at order z^3", wrong).equals(0)
    yield row(d=d, unobserved=int((~seen).sum()))


@check(worlds)
def coefficient(lab, sample, power=4, factor=24.0):
    """alpha^(4c) W_ij against (X^3)_ij / 24 on the limit curve, two depths of eps."""
    X, cells = instance(lab)
    problem = sampled(X, cells)
    hidden, shown = ~problem.mask(), problem.observed()
    law = (shown @ shown @ shown)[hidden] / factor
    size, s = np.linalg.norm(shown, 2), np.array([-2.0, -1.5])
    points = limit_flow(problem, s + 0.5 * math.log(1 / size), rtol=1e-12)
    gaps = [
        np.abs(p.W[hidden] * math.exp(power * p.log_eps) - law).max() / np.abs(law).max()
        for p in points
    ]
    if sample == 0:
        curve = limit_flow(problem, np.linspace(-2.5, 1.0, 15) - 0.5 * math.log(size))
        yield series(
            "largest unobserved entry of W on the limit curve",
            x=[math.exp(p.log_eps) for p in curve],
            y=[np.abs(p.W[hidden]).max() for p in curve],
            printed=[np.abs(law).max() * math.exp(-4 * p.log_eps) for p in curve],
            beside="leading order",
            xlabel="eps = alpha e^(-lambda t)",
            ylabel="largest |W_ij|, (i, j) not observed",
            log="xy",
        )
    order = math.log(gaps[1] / gaps[0]) / (2 * (s[1] - s[0]))
    yield row(sample=sample, gap=gaps[0], order_of_the_rest=order)
    yield approx("relative error of the leading order", gaps[0]).at_most(1e-2)
    yield approx("order of the rest in 1/eps^2", order).at_least(1.8)


@check(lambda lab: [dict(c=c, **w) for w in worlds(lab) for c in (0.5, 0.75)])
def at_finite_alpha(lab, c, sample, slope=4.0, extra=2.0):
    """Slopes in alpha between 10^2 and 10^2.5, lambda = 1/alpha, of unobserved and observed."""
    X, cells = instance(lab)
    problem = sampled(X, cells)
    hidden, alphas = ~problem.mask(), (10**2.0, 10**2.5)
    points = [
        matrix_flow(problem, a, 1 / a, [(1 - c) * math.log(a)], rtol=1e-12)[0] for a in alphas
    ]
    off = [np.abs(p.W[hidden]).max() for p in points]
    on = [np.abs(problem.residuals(p.W)).max() for p in points]
    fall, rest = (math.log(v[0] / v[1]) / math.log(alphas[1] / alphas[0]) for v in (off, on))
    yield row(c=c, sample=sample, unobserved=fall, observed=rest, largest_unobserved=off[1])
    yield approx("|slope of unobserved entries - 4c|", abs(fall - slope * c)).at_most(0.1)
    yield approx("|slope of observed errors - (1 + 2c)|", abs(rest - 1 - extra * c)).at_most(0.1)


kernel_rate = Claim(
    id="lyu2024/completion-kernel-rate",
    source=SOURCE,
    title="Unobserved entries vanish like alpha^(-4c), with an explicit factor",
    statement=(
        r"In the setting of Corollary 3.11 let $X$ hold the observed entries of $X^*$ and zeros. "
        r"For $(i, j)$ unobserved $\alpha^{4c} W(T_c^-)_{ij} \to \frac{1}{24} (X^3)_{ij}$, and the "
        r"error of observed entries is of order $\lambda \alpha^{-2c}$."
    ),
    checks=(
        expansion.part("the series of the limit curve"),
        coefficient.asymptotic("relative error of the leading order"),
        at_finite_alpha.asymptotic("|slope of unobserved entries - 4c|"),
    ),
    controls=(
        expansion.but(over=23),
        expansion.but(quadratic=1),
        coefficient.but(power=2),
        coefficient.but(factor=23.0),
        at_finite_alpha.but(slope=2.0),
        at_finite_alpha.but(extra=4.0),
    ),
    origin="ours",
    uses=("lyu2024/completion-limit-curve",),
    sharpens=("lyu2024/completion-kernel-regime",),
    gap="p = 1 in the flows at finite alpha; the limit curve takes lambda to 0 first.",
)
