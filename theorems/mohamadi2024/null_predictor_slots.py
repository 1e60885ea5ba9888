"""More summands, and whether one constant serves them all (Mohamadi et al. 2024, Theorem 3.5).

m slots count the answer as well (Corollary D.8): y(x) = p 1[x_1 + ... + x_m = 0 mod p], L is the
mean of (g - y)^2 over [p]^m, the null loss is p. For 1 <= n <= 1 + (p-1)^m distinct inputs

    E L >= (p - 1) - (n - 1) / (p - 1)^(m-1).

For p = 2 the functions 1 and chi(x) = (-1)^(x_1 + ... + x_m) span every target, whatever m is.
Cost: small exact solves.
"""

import math
from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.orbit_kernels import regression
from grokverify.orbits import pair_moments, solve, spectrum, tail

PAPER = "Mohamadi et al., Why Do You Grok?"


def largest_below(C, p, m):
    """The largest n < C p^m."""
    return math.ceil(C * p**m) - 1


# --- p = 2:  K(x, x') = 1 + chi(x) chi(x') needs one input of either parity ----------------------
def parities(m):
    return 1 - 2 * (np.indices((2,) * m).sum(axis=0).ravel() % 2)


def parity_loss(m, n):
    """E L over n iid inputs of regression with K, exactly.

    K is the same at inputs of one parity, so that one of each kind gives the predictor.
    """
    chi = parities(m)
    K, y = 1 + np.outer(chi, chi), 1 + chi
    even, odd = int(np.argmax(chi == 1)), int(np.argmax(chi == -1))
    loss = []
    for t in ([even], [odd], [even, odd]):
        g = K[:, t] @ solve(K[np.ix_(t, t)], y[t][:, None])
        loss.append(Fraction(((g[:, 0] - y) ** 2).sum()) / len(y))
    alone = Fraction(1, 2**n)  # the chance that every input is even; likewise odd
    return alone * (loss[0] + loss[1]) + (1 - 2 * alone) * loss[2]


def uniform(C, m):
    return C


def per_slots(C, m):
    """A constant that may depend on m."""
    return min(C, Fraction(2, 2**m))


@check(dict(constants=[[k, l] for k in (2, 4, 6) for l in (2, 6)]))
def two_symbols(lab, constants, constant=uniform):
    """Is E L >= c p at n < C 2^m for one of the pairs C = 2^-k, c = 2^-l, with m large enough?

    One case for all pairs: "there are C, c" fails only if each of them does.
    """
    best = Fraction(0)
    for k, l in constants:
        m, c = k + (l + 2).bit_length(), Fraction(1, 2**l)
        n = largest_below(constant(Fraction(1, 2**k), m), 2, m)
        loss = parity_loss(m, n)
        best = max(best, loss / (2 * c))
        yield row(C=Fraction(1, 2**k), m=m, n=n, loss=loss, claimed=2 * c)
        name = "E L / p at p = 2 and n < C 2^m"
        yield series(name, x=n, y=loss / 2, printed=c, xlabel="n", ylabel="E L / p", log="y")
    yield exact("E L / (c p) for the best of the constants", best).at_least(1)


@check(dict(m=8), dict(m=10))
def two_symbols_simulated(lab, m, constant=uniform):
    """The same method in floats on drawn inputs, C = 1/16 and c = 1/8."""
    chi = lab.real(parities(m))
    K, y = 1 + torch.outer(chi, chi), 1 + chi
    n, losses = largest_below(constant(Fraction(1, 16), m), 2, m), []
    for draw in range(200):
        t = lab.at(draw).integers("t", 0, 2**m, n)
        losses.append((regression(K, t) @ y[t] - y).square().mean())
    losses = torch.stack(losses).cpu()
    error = float(losses.std()) / math.sqrt(200)
    yield row(m=m, n=n, loss=float(losses.mean()), standard_error=error)
    yield approx("mean L / p", float(losses.mean()) / 2, 3 * error).at_least(1 / 8)


uniform_constant = Claim(
    id="mohamadi2024/any-slots-uniform-constant",
    source=Source(PAPER, "Theorem 3.5, read literally", "2407.12332"),
    title="One constant for every number of summands",
    statement=(
        r"There are constants $C, c > 0$ such that for every $m$, every $p \ge 2$ and every "
        r"$n < C p^m$ each permutation-equivariant kernel method has $\mathbb{E}\, L \ge c p$."
    ),
    severity="S3",
    gap=(
        "Severity: slip of an informal statement. This reads its C as free of m and drops the "
        "m < p of Corollary D.8, to which the text refers for the formal version. Every listed "
        "(C, c) fails; the loss is 2^(1-n), so that all do, which is said and not checked."
    ),
    expect=Verdict.REFUTED,
    checks=(two_symbols, two_symbols_simulated),
    controls=(
        two_symbols.but(constant=per_slots).must_hold(),
        two_symbols_simulated.but(constant=per_slots).must_hold(),
    ),
)


# --- m < p:  n < (4/27) p^m  =>  E L >= p / 2 ----------------------------------------------------
@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 3, 5), quick=range(2, 11))])
def small_p(lab, p, C=Fraction(4, 27)):
    """Every 1 <= m < p, from the spectrum, at the largest n < C p^m."""
    certified = []
    for m in range(1, p):
        spaces, n = spectrum(pair_moments(p, m), p), largest_below(C, p, m)
        yield exact("E L over p/2", 2 * tail(spaces, n) / Fraction(p) ** (m - 1)).at_least(1)
        last = 1 + (p - 2) * (p - 1) ** (m - 1) // 2
        certified.append(Fraction(last + 1, p**m))
    yield exact("C", C)
    yield row(p=p, largest_C=min(certified), at_m=1 + certified.index(min(certified)))
    yield series("largest C for all m < p", x=p, y=min(certified), printed=C, xlabel="p")


@check()
def large_p(lab, C=Fraction(4, 27), from_p=11):
    """p >= 11: (n* + 1) / p^m >= (1/2 - 1/p) (1 - 1/p)^(m-1) >= (1/2 - 1/p) / e for m < p.

    The middle factor falls with m, and (1 - 1/p)^(p-2) > 1/e as (1 + 1/(p-1))^(p-1) < e.
    """
    e = sum(Fraction(1, math.factorial(k)) for k in range(20)) + Fraction(2, math.factorial(20))
    yield exact("C", C)
    yield exact("certified for all m < p", (Fraction(1, 2) - Fraction(1, from_p)) / e).at_least(C)


m_below_p = Claim(
    id="mohamadi2024/any-slots",
    source=Source(PAPER, "Theorem 3.5 and Corollary D.8", "2407.12332"),
    title="One constant for fewer slots than symbols",
    statement=(
        r"For all $1 \le m < p$ and $n < \frac{4}{27} p^m$ each permutation-equivariant kernel "
        r"method has $\mathbb{E}\, L \ge \frac{p}{2}$, where the $m$ slots include the answer."
    ),
    assumes=("Ky Fan's maximum principle",),
    corrects=("mohamadi2024/any-slots-uniform-constant",),
    uses=("mohamadi2024/orbit-spectrum",),
    gap="For p >= 11 by two elementary inequalities that are not themselves checked.",
    checks=(small_p.existential("C"), large_p.existential("C")),
    controls=(small_p.but(C=Fraction(1, 6)), large_p.but(C=Fraction(1, 6))),
)
