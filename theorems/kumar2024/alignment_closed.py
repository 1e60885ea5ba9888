"""Kumar et al., Section 5 and Appendix 11.2: the alignment as a function of eps, in closed form.

Cost: the exact line sums over the pairs of 6^D points, D <= 3.
"""

import itertools

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.forms import form, form_mean, trace
from grokverify.symbolic import residue
from grokverify.worked import given

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")

# (19)  alignment = <y K y> / (sqrt(<K^2>) <y^2>),  y = (b.x)^2 / 2,  x, x' ~ N(0, I/D). With K of
# (18) it is, at any weights,
#   eps^2 [tr M + 8 b'Mb/|b|^2] / (3 D^2 sqrt(<K^2>)),
# and at initialisation (wbar = 0, M = I)
#   eps^2 (D + 8) / (3 D^(3/2) sqrt(1 + 3 eps^4 (D + 2)/D^2)),
# increasing in eps^2 towards (D + 8) / (3 sqrt(3 D (D + 2))). Roots are avoided by squaring.


def any_weights(D, eps, K2, trM, bMb, b2):
    """The square of the alignment."""
    return (eps**2 * (trM + 8 * bMb / b2) / (3 * D**2)) ** 2 / K2


def any_weights_off(D, eps, K2, trM, bMb, b2):
    return (eps**2 * (trM + 9 * bMb / b2) / (3 * D**2)) ** 2 / K2


def initial(D, eps):
    return eps**4 * (D + 8) ** 2 / (9 * D**3 * (1 + 3 * eps**4 * (D + 2) / D**2))


def initial_off(D, eps):
    return eps**4 * (D + 8) ** 2 / (9 * D**3 * (1 + 3 * eps**4 * (D + 1) / D**2))


def initial_linear(D, eps):
    """Proportional to eps^2, without the saturation."""
    return eps**4 * (D + 8) ** 2 / (9 * D**3)


def falling(D, eps):
    return initial(D, 1 / eps)


def supremum(D):
    return (D + 8) ** 2 / (27 * D * (D + 2))


def supremum_off(D):
    return (D + 8) ** 2 / (27 * D * (D + 1))


@check()
def by_forms(lab, weights=any_weights, start=initial):
    """Numerator^2 = alignment^2 <K^2> <y^2>^2 for symbolic D, M, wbar; then M = I, wbar = 0."""
    xz = form("x", "z")
    K = xz * (1 + EPS * (form("wbar", "x") + form("wbar", "z")) + EPS**2 * form("x", "M", "z"))
    plain = xz + EPS**2 * xz**2

    def mean(expr):
        for vector in ("x", "z"):
            expr = form_mean(sp.expand(expr), vector, variance=1 / D, dimension=D)
        return expr

    y2 = mean(form("b", "x") ** 4 / 4)
    labels = form("b", "x") ** 2 * form("b", "z") ** 2 / 4
    words = trace("M"), form("b", "M", "b"), form("b", "b")
    K2 = mean(K**2)
    gap = mean(K * labels) ** 2 - weights(D, EPS, K2, *words) * K2 * y2**2
    yield residue("terms left at any weights", gap).equals(0)
    gap = mean(plain * labels) ** 2 - start(D, EPS) * mean(plain**2) * y2**2
    yield residue("terms left at initialisation", gap).equals(0)


@check()
def rising(lab, start=initial, top=supremum):
    """1/alignment^2 = 1/top + A/eps^4 with A > 0: increasing in eps, and never at the top."""
    rest = 9 * D**3 / (D + 8) ** 2 / EPS**4
    yield residue("terms left of the supremum", 1 / start(D, EPS) - 1 / top(D) - rest).equals(0)


def points(D):
    """6^D points with the moments of N(0, I/D) up to degree 5, in units of sqrt(3/D).

    An entry is 0 four times for one -1 and one 1.
    """
    return np.array(list(itertools.product((-1, 0, 0, 0, 0, 1), repeat=D)), dtype=np.int64)


@check(
    lambda lab: [
        dict(b=b, eps=e)
        for b in lab.pick(smoke=([2, -1],), quick=([1], [1, 2], [3, -1], [1, 2, -2]))
        for e in (1, 3)
    ]
)
def of_a_data_set(lab, b, eps, start=initial):
    """The alignment y'Ky/(|K|_F |y|^2) of an actual data set, in integers: K D^2/3, y 2D/3."""
    D, x = len(b), points(len(b))
    q = x @ x.T
    K, y = given(D * q + 3 * eps**2 * q**2), given((x @ np.array(b)) ** 2)
    square = (y @ K @ y) ** 2 / ((K**2).sum() * (y @ y) ** 2)
    told = start(given(D), given(eps))
    yield row(D=D, eps=eps, points=len(x), alignment=float(square) ** 0.5)
    yield exact("square of the alignment", square).equals(exact("formula", told))


@check(D=st.integers(1, 100), eps=st.floats(0.05, 4), factor=st.floats(1.01, 2))
def increasing(lab, D, eps, factor, start=initial, top=supremum):
    """The sense in which eps and the alignment are strongly correlated."""
    here, there = start(D, eps), start(D, eps * factor)
    yield approx("alignment^2 here over further on", here / there).at_most(1)
    yield approx("alignment^2 over its supremum", there / top(D)).at_most(1)


def raw(K, y):
    return float(y @ K @ y / K.norm() / y.square().sum())


def off_diagonal(K, y):
    P = len(y)
    K = K - K.diag().diag()
    return float(y @ K @ y / K.norm() / y.square().sum() * (P / (P - 1)) ** 0.5)


def random_data(lab, D, P, eps):
    x, b = lab.normal("x", P, D) / D**0.5, lab.normal("b", D)
    K = x @ x.mT
    return K + eps**2 * K**2, (x @ b) ** 2 / 2


@check(lambda lab: [dict(D=40, P=400)])
def of_random_data(lab, D, P, estimator=off_diagonal):
    """Random data at the sizes of the paper: the sum over i != j estimates the formula; the plain
    sum over all i, j is dominated by i = j where eps is small. Six deviations of tolerance."""
    for eps in (2 ** (k / 2 - 4) for k in range(13)):
        K, y = random_data(lab, D, P, eps)
        told = initial(D, eps) ** 0.5
        axes = {"x": eps, "xlabel": "epsilon", "ylabel": "kernel alignment", "log": "x"}
        yield series(f"over all i, j, D={D}, P={P}", y=raw(K, y), printed=told, **axes)
        yield series(f"over i != j, D={D}, P={P}", y=off_diagonal(K, y), **axes)
    told, draws = initial(D, 0.5) ** 0.5, 16
    seen = sum(estimator(*random_data(lab.at(k), D, P, 0.5)) for k in range(draws)) / draws
    yield approx("relative gap at eps = 1/2", abs(seen / told - 1)).at_most(0.5)


alignment_closed_form = Claim(
    id="kumar2024/alignment-closed-form",
    source=Source(PAPER, "equation (19), Section 5 before 5.1", "2310.06110"),
    title="The alignment in closed form, increasing in eps",
    statement=(
        r"$\frac{\langle y K y \rangle}{\sqrt{\langle K^2 \rangle} \langle y^2 \rangle} = "
        r"\frac{\epsilon^2}{3 D^2 \sqrt{\langle K^2 \rangle}} \left( \operatorname{Tr} M + 8 "
        r"\frac{\beta^\top M \beta}{|\beta|^2} \right)$ at any weights, and at initialisation "
        r"$\frac{\epsilon^2 (D+8)}{3 D^{3/2} \sqrt{1 + 3 \epsilon^4 (D+2)/D^2}}$, which increases "
        r"with $\epsilon$ towards $\frac{D+8}{3 \sqrt{3 D (D+2)}}$."
    ),
    origin="ours",
    uses=("kumar2024/alignment-numerator", "kumar2024/kernel-second-moment"),
    sharpens=("kumar2024/alignment-of-data",),
    checks=(
        by_forms.part("closed form"),
        of_a_data_set.part("closed form"),
        rising.part("increasing"),
        increasing.part("increasing"),
        of_random_data.part("closed form"),
    ),
    controls=(
        by_forms.but(weights=any_weights_off),
        by_forms.but(start=initial_off),
        rising.but(top=supremum_off),
        rising.but(start=initial_off),
        of_a_data_set.but(start=initial_off),
        of_a_data_set.but(start=initial_linear),
        increasing.but(start=falling),
        increasing.but(start=initial_linear),
        of_random_data.but(estimator=raw),
    ),
    gap="Squares are compared, both sides being positive; the random data set has a tolerance.",
)
