"""How fast weak regularisation attains the maximum margin: C / log(1/lambda), with its C.

Sharpens Prop. 4.4 of Mohamadi et al. (Wei et al. 2019, Theorem 4.1). Cost: seconds; Newton's method
in at most 16 variables at lambda as small as 1e-1000 and below.
"""

import math

import numpy as np

from grokverify import Claim, Source, approx, check, row, series
from grokverify.margin_paths import (
    EXPONENTIAL,
    extrapolated,
    face_path,
    l2_path,
    polynomial,
    settled,
    strengths,
)
from grokverify.margins import max_margin, path_constant

SOURCE = Source("Mohamadi et al., Why Do You Grok?", "Proposition 4.4", "2407.12332")
NORMS = {"l1": 1.0, "linf": math.inf}

# Linear model, q = X w, X_i = y_i x_i; w_lambda minimises L(w) + penalty, L = 1/n sum_i exp(-q_i),
# M = log(1/(n L(w_lambda))).
# With a the multipliers of the hard-margin problem (w = X' a, or |X' a|_dual = 1), the path has
# p_i = exp(-q_i) / (n lambda) -> a_i up to scale, so that q_i = M - log(a_i / sum a) + o(1) and
#   1 - gamma^lambda / gamma* = C / M + O(1 / M^2),   C = log a_max - sum a log a / sum a,
# the norm being the a-weighted mean margin over gamma*. As sum p = L(w) / lambda,
#   log(1/(n lambda)) = M + log sum p,  sum p ~ M / gamma*^2 (l2, r = 2) or -> 1 / gamma* (r = 1).


def one_percent_more(a):
    return 1.01 * path_constant(a)


def uniform_constant(a):
    """The same with every support vector weighted alike."""
    a = a[a > 1e-9 * a.max()]
    return float(np.log(a.max()) - np.log(a).mean())


def drawn(name, points, reference, C):
    """gamma^lambda / gamma* against 1/log(1/lambda), beside 1 - C / log(1/lambda)."""
    s = [1 / (point.c + math.log(len(point.q))) for point in points]
    return series(
        name,
        plot="gamma^lambda / gamma*",
        x=s,
        y=[point.margin / reference for point in points],
        printed=[1 - C * value for value in s],
        xlabel="1 / log(1/lambda)",
        ylabel="normalised margin over its maximum",
    )


def generic(lab, power):
    """The first Gaussian data whose path settles by log(1/lambda) = 1e4; beyond, rounding rules."""
    for k in range(20):
        X = lab.normal(f"X{k}", 12, 16).cpu().numpy()
        best = max_margin(X, power)
        if settled(X, best) < 1e4:
            return X, best
    raise ValueError("none of 20 Gaussian data sets had slacks and multipliers above 1e-3.")


def expansion(lab, sample, norm, power, path, loss, constant, root):
    X, best = generic(lab, power)
    nominal = strengths(X, best)
    points = path(X, best, [min(c, loss.reach) for c in nominal])
    x = [1 / (asked - point.c + point.depth) for point, asked in zip(points, nominal, strict=True)]
    short = [1 - point.margin / best.margin for point in points]
    limit, _ = extrapolated(x, [s / t for s, t in zip(short, x, strict=True)])
    C = constant(best.multipliers)
    deep, M = points[-1], 1 / x[-1]
    told = (math.log(M) if norm == "l2" else 0.0) - root * math.log(best.margin)
    if sample == 0:
        first = 3.0 if norm == "l2" else settled(X, best)
        yield drawn(norm, path(X, best, [first * 1.6**k for k in range(12)]), best.margin, C)
    yield row(norm=norm, predicted=C, measured=limit, gamma=best.margin, raw=short[-1] * M)
    yield approx("C", limit, deep.radius / x[-1]).beside(printed=C)
    yield approx("C measured minus predicted", abs(limit - C), deep.radius * M).at_most(1e-4)
    yield approx("log(1/(n lambda)) - M - log sum p", abs(nominal[-1] - M - told)).at_most(1e-2)


def datasets(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=2, quick=4, standard=16))]


@check(datasets)
def l2_rate(lab, sample, loss=EXPONENTIAL, constant=path_constant, root=2):
    def path(X, best, cs):
        return list(l2_path(X, cs, loss))

    yield from expansion(lab, sample, "l2", 2.0, path, loss, constant, root)


@check(lambda lab: [dict(norm=norm, **case) for norm in NORMS for case in datasets(lab)])
def polyhedral_rate(lab, norm, sample, constant=path_constant, root=1):
    def path(X, best, cs):
        return list(face_path(X, best, cs))

    yield from expansion(lab, sample, norm, NORMS[norm], path, EXPONENTIAL, constant, root)


margin_rate = Claim(
    id="mohamadi2024/margin-rate",
    source=SOURCE,
    title="The margin of the regularised minimiser falls short by C / log(1/lambda)",
    statement=(
        r"In the linear case let $a \ge 0$ be the multipliers of the hard-margin problem and "
        r"$C = \log a_{\max} - \frac{\sum_i a_i \log a_i}{\sum_i a_i}$. With the exponential loss "
        r"$\left(1 - \frac{\gamma^\lambda}{\gamma^*}\right) M \to C$ as $\lambda \to 0$, where "
        r"$M = \log \frac{1}{n \mathcal{L}(\theta_\lambda)}$. Moreover $\log\frac{1}{n\lambda} - "
        r"M - \log M \to -2 \log \gamma^*$ for the penalty $\frac{\lambda}{2} "
        r"\lVert w \rVert_2^2$, and $\log\frac{1}{n\lambda} - M \to -\log\gamma^*$ for "
        r"$\lambda \lVert w \rVert_1$ and $\lambda \lVert w \rVert_\infty$; "
        r"so $M / \log\frac{1}{\lambda} \to 1$."
    ),
    hypotheses=(
        "exponential loss, linear model",
        "the hard-margin problem and its dual have unique, strictly complementary solutions",
    ),
    checks=(
        l2_rate.asymptotic("C measured minus predicted"),
        polyhedral_rate.asymptotic("C measured minus predicted"),
    ),
    controls=(
        l2_rate.but(constant=one_percent_more),
        l2_rate.but(constant=uniform_constant),
        l2_rate.but(loss=polynomial(100)),
        l2_rate.but(root=1),
        polyhedral_rate.but(constant=one_percent_more),
        polyhedral_rate.but(constant=uniform_constant),
        polyhedral_rate.but(root=2),
    ),
    origin="ours",
    uses=("mohamadi2024/margin-limit",),
    sharpens=("mohamadi2024/margin-limit",),
    gap=(
        "Gaussian data whose slacks and multipliers are above 1e-3. Where the multipliers are "
        "not unique, the path still selects one dual solution, which a linear programme need not."
    ),
)
