"""Lyu et al., Appendix E: Rademacher bounds for sparse linear classification (E.1, E.3 to E.5).

Cost: about a second; all signs of up to 10 samples in integers, all samples of a small population.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import sympy as sp

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.margins import max_margin
from grokverify.symbolic import residue

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# (34)  R(F) = E_sigma sup_f 1/n sum_i sigma_i f(x_i).  For |w|_p <= 1 the supremum is a dual norm:
#       n R(F_1) = E |sum sigma_i x_i|_inf,   n R(F_2) = E |sum sigma_i x_i|_2.
# (36)  R(F_1) <= sqrt(2 log 2d) (sum |x_i|_inf^2)^(1/2) / n,   R(F_2) <= (sum |x_i|_2^2)^(1/2) / n.
# Khintchine and Kahane with Latala and Oleszkiewicz' constant: R(F_2) >= that bound / sqrt 2.


def data(lab, n, d, kind):
    if kind == "signs":
        return np.asarray(lab.signs("x", n, d).cpu()).astype(int)
    if kind == "equal":
        return np.ones((n, d), dtype=int)
    return 2 * np.asarray(lab.integers("x", -5, 6, n, d).cpu()) + 1


def every_sign(n):
    return np.array(list(itertools.product((-1, 1), repeat=n)))


KINDS = ("signs", "equal", "integers")


def sizes(lab):
    many = lab.pick(smoke=((1, 1), (2, 2), (6, 4)), quick=((1, 1), (2, 2), (6, 4), (10, 30)))
    return [dict(kind=k, n=n, d=d) for k in KINDS for n, d in many]


@check(sizes)
def l1_ball(lab, kind, n, d, constant=2):
    """F_1 exactly: all signs, in integers; log 2d from below as a fraction."""
    X = data(lab, n, d, kind)
    total = int(np.abs(every_sign(n) @ X).max(1).sum())
    squares = int((np.abs(X).max(1) ** 2).sum())
    share = Fraction(total, 2**n) ** 2 / max(squares, 1)
    log = Fraction(math.log(2 * d)) * (1 - Fraction(1, 2**40))
    yield row(kind=kind, n=n, d=d, ratio=math.sqrt(share / (2 * log)))
    yield exact("(n R(F_1))^2 / (2 log(2d) sum |x|_inf^2)", share / (constant * log)).at_most(1)


@check(lambda lab: [dict(n=n) for n in lab.pick(smoke=(3,), quick=(2, 3, 5))])
def l2_ball(lab, n, weight=1):
    """E |sum sigma_i x_i|^2 = sum |x_i|^2 in symbols (d = 2), then Jensen."""
    X = sp.Matrix(n, 2, sp.symbols(f"x1:{2 * n + 1}"))
    mean = 0
    for signs in every_sign(n).tolist():
        s = sp.Matrix([signs]) * X
        mean += (s * s.T)[0] / sp.Integer(2**n)
    squares = sum(x**2 for x in X)
    left = sp.expand(mean) - weight * squares
    yield residue("terms of E |sum sigma x|^2 - sum |x|^2", left).equals(0)


@check(sizes)
def both_sides(lab, kind, n, d, upper=1.0, lower=0.5):
    """F_2 by all signs: between 1/sqrt 2 and 1 of its bound, both attained."""
    X = data(lab, n, d, kind)
    mean = np.linalg.norm(every_sign(n) @ X, axis=1).mean()
    squared = mean**2 / (X**2).sum()
    yield row(kind=kind, n=n, d=d, ratio=math.sqrt(squared))
    yield series(
        "R(F_2) over its bound",
        x=n,
        y=math.sqrt(squared),
        xlabel="samples n",
        ylabel="between 0.707 and 1",
    )
    yield approx("(n R(F_2))^2 / sum |x|^2, from above", squared).at_most(upper * (1 + 1e-12))
    yield approx("(n R(F_2))^2 / sum |x|^2, from below", squared).at_least(lower * (1 - 1e-12))


complexity = Claim(
    id="lyu2024/rademacher-balls",
    source=Source(PAPER, "Definition E.1 and Theorem E.3", "2311.18817"),
    title="Rademacher complexity of the l1 and l2 balls",
    statement=(
        r"$\hat{\mathfrak R}_S(\mathcal F_1) \le \frac1n \sqrt{2 \log 2d}\, (\sum_i \lVert x_i "
        r"\rVert_\infty^2)^{1/2}$ and $\hat{\mathfrak R}_S(\mathcal F_2) \le \frac1n (\sum_i "
        r"\lVert x_i \rVert_2^2)^{1/2}$; the second never exceeds $\sqrt2$ times the complexity."
    ),
    checks=(
        l1_ball.part("F_1"),
        l2_ball.part("F_2 from above"),
        both_sides.part("F_2 from both sides"),
    ),
    controls=(
        l1_ball.but(constant=Fraction(7, 5)),
        l2_ball.but(weight=2),
        both_sides.but(upper=0.95),
        both_sides.but(lower=0.55),
    ),
    gap="All signs for at most 10 samples. The lower bound of F_2 is ours to add, not the paper's.",
)


# Theorems E.4, E.5: x uniform on {-1, 1}^d, y = sign(w* . x) with w* = (+-1 k times, 0, ...), k
# odd. Then y w* . x >= 1 while |w*|_1 = k and |w*|_2 = sqrt k: the best l1 margin is at least 1/k,
# the best l2 margin at least 1/sqrt k. E.2 with q half of that, and E.3 with |x|_inf = 1 and
# |x|_2^2 = d, give  4 k sqrt(2 log(2d) / n)  and  4 sqrt(k d / n)  in front of 3 sqrt(..).


@check(lambda lab: [dict(k=k) for k in lab.pick(smoke=(1, 3, 5), quick=(1, 3, 5, 7, 9))])
def teacher(lab, k, extra=0):
    """All patterns of the k coordinates that matter."""
    sums = every_sign(k + extra).sum(1)
    yield exact("least |w* . x|", int(np.abs(sums).min())).equals(1)


@check()
def constants(lab, half=2):
    """(2/q R)^2 with q = margin / half, in symbols; log(2d) is a symbol."""
    k, d, n, log = sp.symbols("k d n log2d", positive=True)
    R1, R2 = 2 * log / n, d / n  # squares of the bounds (36) over n samples
    first = (2 * half * k) ** 2 * R1 - 16 * k**2 * 2 * log / n
    second = (2 * half) ** 2 * k * R2 - 16 * k * d / n
    yield residue("terms of E.4 squared", first).equals(0)
    yield residue("terms of E.5 squared", second).equals(0)


def sparse(lab):
    many = lab.pick(smoke=((3, 10, 60),), quick=((1, 6, 40), (3, 10, 60), (3, 12, 200)))
    return [dict(k=k, d=d, n=n) for k, d, n in many]


@check(sparse)
def trained(lab, k, d, n, more=0):
    """Margins of certified separators, and their exact error over all 2^d inputs."""
    x = lab.signs("x", n, d).cpu().numpy()
    w = np.zeros(d)
    w[: k + more] = lab.signs("teacher", k + more).cpu().numpy()
    points = every_sign(d)
    for name, norm, promised in (("l1", 1.0, 1 / k), ("l2", 2.0, k**-0.5)):
        best = max_margin(x * np.sign(x @ w)[:, None], norm)
        error = ((points @ best.w) * (points @ w) <= 0).mean()
        lead = 4 * k * math.sqrt(2 * math.log(2 * d) / n) if norm == 1 else 4 * math.sqrt(k * d / n)
        bound = lead + 3 * math.sqrt(math.log(2 / 0.05) / (2 * n))
        yield row(norm=name, k=k, d=d, n=n, error=error, bound=bound)
        yield approx(f"{name} margin over its floor", best.margin / promised, 1e-7).at_least(
            1 - 1e-6
        )
        yield series(
            f"test error of the maximum {name} margin",
            x=n,
            y=error,
            printed=bound,
            beside="bound",
            xlabel="samples n",
            ylabel="error; above 1 the bound says nothing",
        )


sparse_bounds = Claim(
    id="lyu2024/sparse-margin-bounds",
    source=Source(PAPER, "Theorems E.4 and E.5", "2311.18817"),
    title="Error bounds of maximum margins for sparse linear classification, from E.2 and E.3",
    statement=(
        r"Theorems E.2 and E.3 with $q$ half of the teacher's margin give: with probability "
        r"$1 - \delta$ every maximiser of the $L^1$ margin has error at most $4k "
        r"\sqrt{2 \log(2d) / n} + 3\sqrt{\log(2/\delta) / (2n)}$, and every maximiser of the "
        r"$L^2$ margin at most $4 \sqrt{kd/n} + 3\sqrt{\log(2/\delta) / (2n)}$."
    ),
    hypotheses=("k odd", "x uniform on the signs", "labels of a k-sparse teacher"),
    checks=(
        teacher.part("margins of the teacher"),
        constants.part("constants"),
        trained.part("margins of trained separators"),
    ),
    controls=(
        teacher.but(extra=1),
        constants.but(half=1),
        trained.but(more=4),
    ),
    assumes=("Mohri et al. 2018, Theorem 5.8",),
    uses=("lyu2024/rademacher-balls",),
    gap=(
        "The step from E.2 and E.3, not E.2 itself. Upper bounds only: at the paper's size "
        "(n = 256, d = 10^5, k = 3) both exceed 1, so they prove neither that the late phase "
        "generalises nor that the early one fails. E.4's proof refers to (41) for (39)."
    ),
)
