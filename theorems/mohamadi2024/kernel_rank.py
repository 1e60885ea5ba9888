"""When the eNTK of the quadratic network has full rank (Mohamadi et al. 2024, Theorem 3.1, B.6).

Inputs x = (a, b, c), W = (Q, R) with independent Uniform[-s_W, s_W] entries, V arbitrary,

    g(theta; x) = sum_k V_ck (Q_ka + R_kb)^2,      K_theta(x, x') = <grad g(x), grad g(x')>.

rho_c is the number of inputs with the most frequent c. Kernel regression predicts K K^+ y on its
training set: it attains every consistent labelling (equal inputs, equal labels) if and only if
the kernel matrix of the *distinct* training inputs is positive definite (Lemmas B.1, B.2).
Cost: n^2 h operations a draw; width 36 rho_c log(n / delta) is about 1000 at n = 12.
"""

import math
from bisect import bisect_left

import numpy as np
import torch

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series, stats
from grokverify.kernels import (
    entk,
    entk_singular,
    inputs,
    jacobian,
    kernel_regression,
    most_frequent,
    tangent_gram,
)
from grokverify.linalg.exact import PRIME, kernel, rank_exact, rank_mod_prime
from grokverify.nets import quadratic

PAPER = "Mohamadi et al., Why Do You Grok?"


def printed_width(x, delta):
    """The smallest integer h > 36 rho_c log(n / delta), repeats counted in n and rho_c."""
    return math.floor(36 * most_frequent(x[2]) * math.log(len(x[2]) / delta)) + 1


def below_rho(x, delta):
    """One unit too few for the distinct inputs that share their c, if V = 0."""
    return most_frequent(torch.stack(x).unique(dim=1)[2]) - 1


def zero(lab, p, h):
    return lab.real(np.zeros((p, h)))


def one_hot(lab, p, h):
    return lab.real(np.arange(p)[:, None] == np.arange(h)[None, :] % p)


def gaussian(lab, p, h):
    return lab.normal("V", p, h)


SECOND_LAYERS = {"zero": zero, "one-hot": one_hot, "gaussian": gaussian}


# --- (i)  h > 36 rho_c log(n / delta)  =>  P(K_theta > 0) >= 1 - delta ---------------------------


def small_sets(lab):
    """V = 0 is the hardest V, because the other terms of K_theta are positive semi-definite."""
    few = [
        dict(p=2, n=5, delta=0.1, s_W=1.0, V="zero"),
        dict(p=2, n=8, delta=0.05, s_W=0.01, V="gaussian"),
    ]
    more = [
        dict(p=3, n=12, delta=0.1, s_W=1.0, V="zero"),
        dict(p=3, n=20, delta=0.2, s_W=1.0, V="one-hot"),
        dict(p=5, n=25, delta=0.1, s_W=3.0, V="zero"),
    ]
    return lab.pick(smoke=few, quick=few + more)


@check(small_sets)
def singular_draws(lab, p, n, delta, s_W, V, width=printed_width):
    # Each draw is decided: by a certificate in float64, or by the exact rank of the drawn numbers.
    x = inputs(p, lab.subset("inputs", p**3, n))
    h = width(x, delta)

    def draws(lab, trials):
        W = lab.uniform("W", trials, h, 2 * p, low=-s_W, high=s_W)
        return entk_singular(W, SECOND_LAYERS[V](lab, p, h), x, memory=lab.memory)

    yield exact("width", h)
    yield stats.decide("P(K_theta is singular)", draws, lab=lab, at_most=delta)
    yield row(p=p, n=n, rho_c=most_frequent(x[2]), delta=delta, V=V, width=h)


def sets(lab):
    sizes = lab.pick(
        smoke=((2, 5), (3, 12)), quick=((2, 5), (3, 12), (5, 25), (5, 50), (7, 49), (7, 147))
    )
    return [dict(p=p, n=n) for p, n in sizes]


@check(sets)
def exact_rank(lab, p, n, delta=0.1, width=printed_width):
    # Full rank modulo a prime at one W, V = 0: then det K_theta, a polynomial in W which is at
    # least det K_(W,0) for every V, is not identically zero, so that K_theta > 0 almost surely.
    x = inputs(p, lab.subset("inputs", p**3, n))
    h = width(x, delta)
    W = lab.integers("W", 0, PRIME, h, 2 * p)
    z = (W[:, x[0]] + W[:, p + x[1]]).cpu().numpy() % PRIME
    c = x[2].cpu().numpy()

    def rank(width):
        blocks = [z[:width, c == value] for value in np.unique(c)]
        return sum(rank_mod_prime(block * block % PRIME) for block in blocks)

    found = rank(h)
    yield exact("rank at V = 0", found).at_least(n)
    least = bisect_left(range(h), found, key=rank)
    yield exact("least width of that rank", least).beside(printed=printed_width(x, delta))
    yield series(
        "width that makes K positive definite at V = 0", x=n, y=least, printed=h,
        xlabel="n", ylabel="least width, and 36 rho_c log(n / 0.1)", log="xy",
    )  # fmt: skip


@check(lambda lab: [dict(p=p, n=n) for p, n in lab.pick(smoke=((2, 8),), quick=((2, 8), (3, 20)))])
def regression(lab, p, n, delta=0.1, width=printed_width):
    # n iid inputs, repeats included; a random labelling of the distinct ones; torch derivatives.
    a, b, c = (lab.integers(name, 0, p, n) for name in "abc")
    h = width((a, b, c), delta)
    params = {"W": lab.uniform("W", h, 2 * p), "V": zero(lab, p, h)}
    K = tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b)[torch.arange(n), c], params)
    y = lab.normal("label", p, p, p)[a, b, c]
    loss = (kernel_regression(K, y) - y).square().mean() / y.square().mean()
    yield approx("training loss of kernel regression", loss, 1e-12).at_most(1e-9)


sufficient_width = Claim(
    id="mohamadi2024/sufficient-width",
    title="Width that makes the eNTK interpolate",
    source=Source(PAPER, "Theorem 3.1 (first part), Proposition B.4", "2407.12332"),
    statement=r"If $h > 36\,\rho_c \log(n/\delta)$, then with probability at least $1-\delta$ over "
    r"$W$ the eNTK is positive definite on the distinct training inputs, for every $V$, and kernel "
    r"regression with it attains every consistent labelling of the $n$ training inputs.",
    hypotheses=(
        r"the entries of $W$ are independent and uniform on $[-s_W, s_W]$, $s_W > 0$",
        r"$V$ is fixed",
        r"$\rho_c$ training inputs share the most frequent third coordinate",
    ),
    checks=(singular_draws, exact_rank, regression),
    controls=(
        singular_draws.but(width=below_rho),
        exact_rank.but(width=below_rho),
        regression.but(width=below_rho),
    ),
    uses=("mohamadi2024/bounded-weights-width",),
    gap="Random training sets at small p; the bound is a factor 36 log(n / delta) above the width "
    "that suffices almost surely, so that no draw is expected to come near the bound.",
)


# --- (ii)  h < n / (3p)  =>  some consistent labelling is not attained ---------------------------


def with_repeats(lab):
    """Every size n and number of distinct inputs, smallest n first."""
    small = [dict(p=2, n=n, distinct=d) for n in range(1, 10) for d in range(1, min(n, 8) + 1)]
    large = [dict(p=3, n=n, distinct=d) for n in (10, 19, 30) for d in (1, n // 2, min(n, 27))]
    return small + large


def samples(n, distinct):
    """n as the theorem has it: the size of the training set, with x_i = x_j allowed."""
    return n


def distinct_inputs(n, distinct):
    return distinct


def widths_below(bound):
    """The widths h >= 1 with h < bound."""
    return range(1, math.ceil(bound))


@check(with_repeats)
def labellings_left_out(lab, p, n, distinct, count=samples):
    # Copies add no condition to a consistent labelling: the labellings are R^distinct, and those
    # attained are the range of K_theta on the distinct inputs.
    x = inputs(p, np.arange(distinct))
    for h in widths_below(count(n, distinct) / (3 * p)):
        W, V = lab.integers("W", 1, 100, h, 2 * p), lab.integers("V", 1, 100, p, h)
        attained = rank_exact(jacobian(W, V, x))
        yield row(p=p, h=h, n=n, distinct=distinct, n_over_3p=f"{n / (3 * p):.2f}", rank=attained)
        yield exact("dimension of the labellings left out", distinct - attained).at_least(1)


@check(with_repeats)
def worst_labelling(lab, p, n, distinct, count=samples):
    # max over consistent labellings of |y - K K^+ y|^2 / |y|^2, which is 1 or 0, on all n samples.
    index = torch.cat([torch.arange(distinct), torch.zeros(n - distinct, dtype=torch.int64)])
    a, b, c = (part.to(lab.device) for part in inputs(p, index))
    for h in widths_below(count(n, distinct) / (3 * p)):
        params = {"W": lab.uniform("W", h, 2 * p), "V": lab.uniform("V", p, h)}
        K = tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b)[torch.arange(n), c], params)
        labels = torch.eye(distinct, dtype=K.dtype, device=K.device)[index.to(K.device)]
        basis = torch.linalg.qr(labels).Q
        worst = torch.linalg.matrix_norm(basis - kernel_regression(K, basis), 2).square()
        yield series(
            "worst training loss over consistent labellings", x=n, y=worst,
            xlabel="n, repeats counted", ylabel="|y - K K+ y|^2 / |y|^2",
        )  # fmt: skip
        yield approx("worst relative training loss", worst, 1e-6).at_least(0.5)


necessary_width_printed = Claim(
    id="mohamadi2024/necessary-width-printed",
    title="Width below which the eNTK cannot interpolate, repeats counted",
    source=Source(PAPER, "Theorem 3.1 (converse)", "2407.12332"),
    statement=r"If $h < n/(3p)$, where $n$ is the size of the training set and inputs may repeat, "
    r"then some labelling with $y_i = y_j$ whenever $x_i = x_j$ is not attained.",
    checks=(labellings_left_out, worst_labelling),
    controls=(
        labellings_left_out.but(count=distinct_inputs).must_hold(),
        worst_labelling.but(count=distinct_inputs).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S3",
    gap="Severity: slip of the statement, which allows repeated inputs. Appendix B says that it "
    "removes them, which changes n; its Proposition B.6 about distinct inputs stands.",
)


def grids(lab):
    """Random sets of distinct inputs from small ones to the whole grid."""
    primes = lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5), standard=(2, 3, 4, 5, 7))
    return [
        dict(p=p, n=n) for p in primes for n in (3 * p + 1, p**3 // 2 + 2 * p, p**3) if n <= p**3
    ]


def three_p(p):
    """Each unit has 3p parameters: p in V, p in Q, p in R."""
    return 3 * p


def three_p_less_3(p):
    """One less than the rank 3p - 2 that a unit contributes."""
    return 3 * p - 3


@check(grids)
def singular(lab, p, n, divisor=three_p):
    # An integer vector y != 0 with K_theta y = 0: regression answers K K^+ y = 0 to the labels y.
    x = inputs(p, lab.subset("inputs", p**3, n))
    h = math.ceil(n / divisor(p)) - 1
    W, V = lab.integers("W", 1, 100, h, 2 * p), lab.integers("V", 1, 100, p, h)
    left_out = kernel(entk(W, V, x, memory=lab.memory)).shape[1]
    yield exact("labellings answered by zero", left_out).at_least(1)


@check(grids)
def rank_below_n(lab, p, n, divisor=three_p):
    # The n x n kernel from torch's derivatives at whole weights, exact below 2^53, and its rank
    # over Q. The (n, 3ph) Jacobian would do no good: its shape alone keeps its rank below 3ph.
    a, b, c = inputs(p, lab.subset("inputs", p**3, n))
    h = math.ceil(n / divisor(p)) - 1
    whole = {"W": lab.integers("W", 1, 100, h, 2 * p), "V": lab.integers("V", 1, 100, p, h)}
    params, at = {name: w.double() for name, w in whole.items()}, torch.arange(n, device=c.device)
    K = tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b)[at, c], params)
    found = rank_exact(K)
    yield exact("rank", found).at_most(min(n - 1, 3 * p * h))
    yield row(p=p, n=n, h=h, rank=found, bound_3ph=3 * p * h)
    yield series(
        "rank at the largest width h < n / (3p)", x=n, y=found, printed=n,
        xlabel="n distinct inputs", ylabel="rank of the eNTK", log="xy",
    )  # fmt: skip


necessary_width = Claim(
    id="mohamadi2024/necessary-width",
    title="Width below which the eNTK cannot interpolate",
    source=Source(PAPER, "Proposition B.6, Theorem 3.1 (converse)", "2407.12332"),
    statement=r"On $n$ distinct inputs, $\operatorname{rank} K_\theta \le 3ph$ for every "
    r"$\theta = (W, V)$; so if $h < n/(3p)$, then $K_\theta$ is singular and some labelling is "
    r"not attained.",
    hypotheses=(r"the $n$ inputs are distinct",),
    checks=(singular, rank_below_n),
    controls=(
        singular.but(divisor=three_p_less_3),
        rank_below_n.but(divisor=three_p_less_3),
    ),
    corrects=("mohamadi2024/necessary-width-printed",),
    gap="Random whole weights and random sets. That no other point has a higher rank is linear "
    "algebra (K is the Gram matrix of n gradients in 3ph dimensions), not checked.",
)
