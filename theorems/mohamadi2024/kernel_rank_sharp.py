"""Sharp widths for a full-rank eNTK: what Theorem 3.1 of Mohamadi et al. 2024 leaves open.

With W = (Q, R), a hidden unit adds to the gradient of g(theta; (a, b, c)) = V_c (Q_a + R_b)^2 the
3p functions dg/dV, dg/dQ, dg/dR, between which there are two linear relations:

    2 sum_c V_c dg/dV_c = sum_a Q_a dg/dQ_a + sum_b R_b dg/dR_b      (Euler, scaling symmetry)
    sum_a dg/dQ_a = sum_b dg/dR_b                                    (shift symmetry)

so that rank K_theta <= h (3p - 2), where the paper counts 3ph. In the other direction, for a law
with a density, the rho_c polynomials (q_a + r_b)^2 with one c are linearly independent, because
each of them owns the monomial q_a r_b; so h >= rho_c already suffices almost surely for every V.
Ranks are those modulo a prime at one random point: never above the generic rank over the reals.
Cost: n^2 h p operations a rank.
"""

import itertools
import math
from bisect import bisect_left
from fractions import Fraction

import numpy as np
import sympy

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import differing
from grokverify.kernels import entk, inputs, jacobian, most_frequent
from grokverify.linalg.exact import PRIME, rank_exact, rank_mod_prime
from grokverify.nets import quadratic

PAPER = "Mohamadi et al., Why Do You Grok?"


def field(lab, name, *shape):
    """A point that a nonzero polynomial of low degree does not vanish at: a law with a density."""
    return lab.integers(name, 0, PRIME, *shape)


def fair_signs(lab, name, *shape):
    return 2 * lab.integers(name, 0, 2, *shape) - 1


# --- rank K_theta <= h (3p - 2), and generically min(p^3, h (3p - 2)) on all p^3 inputs ----------


def per_unit(p):
    return 3 * p - 2


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2,), quick=(2, 3))])
def relations(lab, p, euler=2, shift=1):
    # In symbols, from the network itself, for one unit: both relations hold on every input.
    W = np.array(sympy.symbols(f"w:{2 * p}"), dtype=object).reshape(1, -1)
    V = np.array(sympy.symbols(f"v:{p}"), dtype=object).reshape(-1, 1)
    a, b, c = inputs(p, np.arange(p**3))
    left, moved = 0, 0
    for g in quadratic(W, V, a, b)[np.arange(p**3), c]:
        by_v = sum(v * sympy.diff(g, v) for v in V[:, 0])
        by_w = sum(w * sympy.diff(g, w) for w in W[0])
        left += sympy.expand(euler * by_v - by_w) != 0
        by_q = sum(sympy.diff(g, w) for w in W[0, :p])
        by_r = sum(sympy.diff(g, w) for w in W[0, p:])
        moved += sympy.expand(by_q - shift * by_r) != 0
    yield exact("inputs that break the Euler relation", left).equals(0)
    yield exact("inputs that break the shift relation", moved).equals(0)


def full_grids(lab):
    primes = lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5), standard=(2, 3, 4, 5, 6, 7))
    return [dict(p=p, h=h) for p in primes for h in range(1, p**3 // per_unit(p) + 3)]


@check(full_grids)
def rank_on_the_grid(lab, p, h, unit=per_unit):
    x = inputs(p, np.arange(p**3))
    W, V = field(lab, "W", h, 2 * p), field(lab, "V", p, h)
    rank = rank_mod_prime(jacobian(W, V, x, modulus=PRIME))
    yield exact("rank on all inputs", rank).equals(min(p**3, h * unit(p)))
    if h == 1:
        yield exact("rank of one unit, less 3p", rank - 3 * p).beside(printed="at most 0")
    yield row(p=p, h=h, rank=rank, printed_bound=min(p**3, 3 * p * h))
    yield series(
        f"rank of the eNTK on all inputs, p = {p}", x=h, y=rank, printed=min(p**3, 3 * p * h),
        xlabel="width h", ylabel="rank, and min(p^3, 3ph)",
    )  # fmt: skip


def one_weight_off(W, V, x):
    """The kernel of a network with one second-layer weight larger by one."""
    V = V.clone()
    V[0, 0] += 1
    return entk(W, V, x)


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 3), quick=(2, 3, 4))])
def rank_over_the_integers(lab, p, unit=per_unit, closed=entk):
    # The closed form of K in integers and its rank over Q; also at points that are not generic.
    x = inputs(p, lab.permutation("order", p**3))
    for h in (1, 2, p):
        points = [
            (trial.integers("W", 1, 10**4, h, 2 * p), trial.integers("V", 1, 10**4, p, h))
            for trial in (lab.at(i) for i in range(3))
        ]
        W, V = points[0]
        G = jacobian(W, V, x)
        off = differing((np.asarray(closed(W, V, x)),), (G @ G.T,))
        yield exact("entries of K that are no products of gradients", off).equals(0)
        rank = max(rank_exact(entk(W, V, x)) for W, V in points)
        yield exact("rank over Q", rank).equals(min(p**3, h * unit(p)))
        signs = fair_signs(lab, "signs", h, 2 * p)
        for special_W, special_V in ((W, 0 * V), (signs, V), (W, 0 * V + 1)):
            special = rank_exact(entk(special_W, special_V, x))
            yield exact("rank at a special point", special).at_most(h * unit(p))


@check(lambda lab: [dict(A=A, B=B, C=C) for A, B, C in itertools.product((1, 2, 3), repeat=3)])
def rank_on_boxes(lab, A, B, C, less=2):
    # Inputs from a box of sides A, B, C meet A + B + C parameters of a unit; same two relations.
    p, h = 3, 1
    a, b, c = (part.ravel() for part in np.indices((A, B, C)))
    W, V = field(lab, "W", h, 2 * p), field(lab, "V", p, h)
    rank = rank_exact(jacobian(W, V, (a, b, c)))  # an upper bound: a modular rank is a lower one
    yield exact("rank on a box", rank).at_most(h * (A + B + C - less))


def one_fewer(p):
    return 3 * p - 3


def one_more(p):
    """As if there were one relation only."""
    return 3 * p - 1


rank_bound = Claim(
    id="mohamadi2024/entk-rank",
    title="Rank of the eNTK",
    source=Source(PAPER, "sharpens Proposition B.6", "2407.12332"),
    origin="ours",
    statement=r"$\operatorname{rank} K_\theta \le h(3p-2)$ for every $\theta$, and "
    r"$h(|A|+|B|+|C|-2)$ on inputs from $A \times B \times C$; so $K_\theta$ is singular on $n > "
    r"h(3p-2)$ distinct inputs. On all $p^3$ inputs the rank is $\min(p^3, h(3p-2))$ for almost "
    r"every $\theta$ (for the $p$ that were tried).",
    checks=(relations, rank_on_the_grid, rank_over_the_integers, rank_on_boxes),
    controls=(
        relations.but(euler=3),
        relations.but(shift=-1),
        rank_on_the_grid.but(unit=one_fewer),
        rank_on_the_grid.but(unit=one_more),
        rank_over_the_integers.but(unit=one_fewer),
        rank_over_the_integers.but(closed=one_weight_off),
        rank_on_boxes.but(less=3),
    ),
    sharpens=("mohamadi2024/necessary-width",),
    gap="From above the ranks are those of single random points; the bound for all points rests on "
    "the relations, checked in symbols for one unit at p = 2, 3 and alike for every p. That it is "
    "reached on the whole grid is proved by modular ranks, for small p only.",
)


# --- h >= rho_c suffices almost surely, for every V; at V = 0 it is also necessary ---------------


def squared(q, r):
    return (q + r) ** 2


def no_cross_term(q, r):
    return q**2 + r**2


def training_sets(lab):
    small = [(2, 4), (2, 8), (3, 9), (3, 20)]
    chosen = lab.pick(smoke=small, quick=[*small, (5, 25), (5, 60), (7, 49)])
    return [dict(p=p, n=n) for p, n in chosen]


@check(training_sets)
def rank_at_zero(lab, p, n, law=field):
    # At V = 0 the kernel is block diagonal in c: rank sum_c min(h, m_c) for m_c inputs with this c.
    x = inputs(p, lab.subset("inputs", p**3, n).cpu().numpy())
    rho = most_frequent(x[2])
    m = np.bincount(x[2])
    W, V = law(lab, "W", rho, 2 * p), np.zeros((p, rho), dtype=np.int64)
    for h in range(1, rho + 1):
        rank = rank_mod_prime(jacobian(W[:h], V[:, :h], x, modulus=PRIME))
        yield exact("rank at V = 0", rank).equals(int(np.minimum(m, h).sum()))


@check(lambda lab: [dict(p=p) for p in (2, 3, 4)])
def independent(lab, p, activation=squared):
    # Coefficients of the monomials q_a r_b in the p^2 polynomials (q_a + r_b)^2: a regular matrix.
    q, r = sympy.symbols(f"q:{p}"), sympy.symbols(f"r:{p}")
    pairs = [(s, t) for s in q for t in r]
    polynomials = [sympy.Poly(activation(s, t), *q, *r) for s, t in pairs]
    own = [[int(f.coeff_monomial(s * t)) for s, t in pairs] for f in polynomials]
    yield exact("polynomials that own a monomial", rank_exact(own)).equals(p * p)


def widths(lab):
    small = [(3, 9), (3, 20), (5, 25)]
    chosen = lab.pick(
        smoke=small,
        quick=[*small, (5, 50), (5, 75), (7, 49), (7, 98), (7, 147)],
        standard=[(5, 25), (5, 75), (7, 147), (11, 121), (11, 242), (11, 363), (13, 169)],
    )
    return [dict(p=p, n=n) for p, n in chosen]


def most_frequent_c(x, p):
    return most_frequent(x[2])


def average_c(x, p):
    """The occupation n / p of an average c, rounded up."""
    return math.ceil(len(x[2]) / p)


@check(widths)
def least_width(lab, p, n, ceiling=most_frequent_c):
    x = inputs(p, lab.subset("inputs", p**3, n))
    rho, h_max = most_frequent(x[2]), most_frequent(x[2]) + 3
    W = lab.integers("W", 0, PRIME, h_max, 2 * p)
    least = {}
    for name, V in (
        ("zero", W[:0].new_zeros(p, h_max)),
        ("ones", W[:0].new_ones(p, h_max)),
        ("generic", lab.integers("V", 0, PRIME, p, h_max)),
    ):

        def full(h, V=V):
            return rank_mod_prime(jacobian(W[:h], V[:, :h], x, modulus=PRIME)) == n

        least[name] = bisect_left(range(h_max), True, key=full)
        yield exact("least full-rank width", least[name]).at_most(ceiling(x, p))
    printed = 36 * rho * math.log(n / 0.05)
    yield row(
        p=p, n=n, rho_c=rho, V_generic=least["generic"], V_ones=least["ones"],
        V_zero=least["zero"], n_over_3p_minus_2=math.ceil(n / (3 * p - 2)),
        n_over_3p=f"{n / (3 * p):.2f}", printed_sufficient=math.ceil(printed),
    )  # fmt: skip
    lowest, zero, generic = math.ceil(n / (3 * p - 2)), least["zero"], least["generic"]
    yield exact(
        "least width, generic V, over ceil(n / (3p - 2))", Fraction(generic, lowest)
    ).beside(printed="36 rho_c log(n/delta) is enough, n / (3p) is not")
    yield (
        exact("least width, V = 0, over rho_c", Fraction(zero, ceiling(x, p)))
        .beside(printed="36 log(n/delta)")
        .equals(1)
    )
    yield approx("width of Theorem 3.1 over the least, V = 0, delta = 0.05", printed / zero)
    label = dict(x=n, plot="smallest full-rank width", xlabel="n", ylabel="width", log="xy")
    # Three thresholds: ceil(n / (3p - 2)) from the rank, rho_c at V = 0, 36 rho_c log(n / 0.05).
    yield series("generic V", y=generic, printed=lowest, beside="ceil(n / (3p - 2))", **label)
    yield series("V = 0", y=zero, printed=rho, beside="rho_c", **label)
    yield series("36 rho_c log(n / 0.05)", y=printed, **label)


almost_sure_width = Claim(
    id="mohamadi2024/almost-sure-width",
    title=r"Width $\rho_c$ suffices almost surely",
    source=Source(PAPER, "sharpens Theorem 3.1", "2407.12332"),
    origin="ours",
    statement=r"If the entries of $W$ have a joint density and $h \ge \rho_c$, then $K_\theta$ is "
    r"positive definite on the distinct inputs with probability one, for every $V$. At $V = 0$ its "
    r"rank is $\sum_c \min(h, m_c)$, where $m_c$ inputs have third coordinate $c$, so that "
    r"$\rho_c = \max_c m_c$ is the exact threshold there.",
    hypotheses=(r"the law of $W$ has a density", r"the inputs are distinct"),
    checks=(rank_at_zero, independent, least_width),
    controls=(
        rank_at_zero.but(law=fair_signs),
        independent.but(activation=no_cross_term),
        least_width.but(ceiling=average_c),
    ),
    sharpens=("mohamadi2024/sufficient-width",),
    gap="That independent polynomials have a regular matrix of values at almost every choice of "
    "their arguments is a standard fact, used and not checked; training sets are random.",
)
