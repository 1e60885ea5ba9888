"""From distances to eigenvalues (Mohamadi et al. 2024, Lemmas D.3, D.4, D.6, Corollary D.5).

dist^2(x, V) = |x|^2 - sum <x, v_i>^2 for an orthonormal basis v_i of V, hence for random Psi with
second moment Sigma and any space V of dimension n, by Ky Fan's maximum principle,

    E dist^2(Psi, V) = tr Sigma - sum v_i^T Sigma v_i >= l_(n+1)(Sigma) + l_(n+2)(Sigma) + ...

Cost: small exact solves, and eigenvalues of matrices of size at most 27.
"""

import itertools
import math
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.orbits import expected_distance, second_moment, solve, sums_to_zero, symmetric
from grokverify.worked import given

PAPER = "Mohamadi et al., Why Do You Grok?"


def gram_schmidt(B):
    """An orthogonal basis of the columns of B, not normalised, in Fractions."""
    basis = []
    for b in B.T:
        v = given(b)
        for w in basis:
            v = v - (b @ w) / (w @ w) * w
        basis.append(v)
    return basis


# --- Lemma D.3 -----------------------------------------------------------------------------------
@check(lambda lab: [dict(d=d) for d in lab.pick(smoke=(2, 4), quick=(2, 3, 5, 8, 12))])
def pythagoras(lab, d, basis=gram_schmidt):
    """The residual of least squares by its normal equations, for spaces of every dimension."""
    B = lab.integers("B", -20, 21, d, d).cpu().numpy().astype(object)
    B = given(B + 50 * np.eye(d, dtype=int))  # keeps the columns apart
    x = given(lab.integers("x", -20, 21, d).cpu().numpy())
    for k in range(1, d):
        alpha = solve(B[:, :k].T @ B[:, :k], B[:, :k].T @ x[:, None])[:, 0]
        r = x - B[:, :k] @ alpha
        formula = x @ x - sum((x @ v) ** 2 / (v @ v) for v in basis(B[:, :k]))
        yield exact("distance squared less the formula", r @ r - formula).equals(0)
        yield series(
            f"distance from growing spaces, d = {d}", x=k, y=r @ r, printed=formula, xlabel="dim V"
        )


@check(dict(p=2), dict(p=3))
def over_the_orbit(lab, p, extra=0):
    """Averages of such distances over all (p!)^3 relabelled targets, one by one, against Sigma."""
    f, group = sums_to_zero(p, 3), np.array(symmetric(p))
    Sigma = second_moment(f, symmetric(p))
    for n in (1, 2, p + 1):
        B = lab.integers(f"B, {n}", -9, 10, p**3, n).cpu().numpy().astype(object)
        G, total = B.T @ B, Fraction(0)
        for s in group:
            for t in group:
                psi = np.stack([f[np.ix_(s, t, u)].ravel() for u in group], 1).astype(object)
                C = B.T @ psi
                total += int((psi * psi).sum()) - (C * solve(G, C)).sum()
        mean = total / (len(group) ** 3 + extra)
        yield exact("mean distance less the formula", mean - expected_distance(B, Sigma)).equals(0)
        yield row(p=p, n=n, mean=mean)


def basis_alone(B):
    """The columns as they are, not made orthogonal."""
    return [np.array([Fraction(int(e)) for e in b], dtype=object) for b in B.T]


lemma_d3 = Claim(
    id="mohamadi2024/distance-to-a-space",
    source=Source(PAPER, "Lemma D.3", "2407.12332"),
    title="Distance to a space",
    statement=(
        r"$\operatorname{dist}^2(x, V) = \lVert x \rVert^2 - \sum_i \langle x, v_i \rangle^2$ for "
        r"an orthonormal basis $v_i$ of $V$."
    ),
    gap="Random integer instances.",
    checks=(pythagoras, over_the_orbit),
    controls=(pythagoras.but(basis=basis_alone), over_the_orbit.but(extra=1)),
)


# --- Lemma D.4 and Corollary D.5 -----------------------------------------------------------------
@check(lambda lab: [dict(d=d) for d in lab.pick(smoke=(2, 5), quick=(2, 3, 5, 8, 13, 20))])
def any_distribution(lab, d, first=1):
    """Uniform Psi on a few integer functions; random spaces, and the space of leading eigenvectors.

    ``first``: the sum over the tail starts at i = n + first.
    """
    psi = lab.integers("psi", -5, 6, 2 * d, d).cpu().numpy().astype(float)
    values, vectors = np.linalg.eigh(psi.T @ psi / len(psi))
    tails = np.append(np.cumsum(values), np.trace(psi.T @ psi) / len(psi))  # of 1, ..., d smallest
    slack, size = [], values.sum()
    for n in range(1, d):
        spaces = [vectors[:, d - n :]]
        spaces += [lab.at([n, k]).normal("V", d, n).cpu().double().numpy() for k in range(5)]
        bound = tails[d - n - first]
        for V in spaces:
            r = psi - psi @ np.linalg.pinv(V).T @ V.T
            slack.append(((r * r).sum() / len(psi) - bound) / size)
    yield approx("mean distance above the tail, relative", min(slack), 1e-10).at_least(-1e-9)
    yield series(
        "largest excess of random spaces",
        x=d,
        y=max(slack),
        xlabel="d",
        ylabel="relative to tr Sigma",
    )


@check(dict(p=2, m=3), dict(p=3, m=2), dict(p=3, m=3))
def modular_addition(lab, p, m, first=1):
    """The orbit of modular addition: exact distances, numerical eigenvalues of Sigma."""
    Sigma = second_moment(sums_to_zero(p, m), symmetric(p))
    tails = np.cumsum(np.linalg.eigvalsh(Sigma.sums / Sigma.order))
    ones = np.ones((p**m, 1), dtype=np.int64)
    for n in (1, 2, 3):
        B = lab.integers(f"B, {n}", -9, 10, p**m, n - 1).cpu().numpy()
        B = np.concatenate([ones, B], axis=1)
        excess = float(expected_distance(B, Sigma)) - tails[p**m - n - first]
        yield approx("mean distance above the tail", excess, 1e-9).at_least(-1e-8)
        yield row(p=p, m=m, n=n, excess=excess)


lemma_d4 = Claim(
    id="mohamadi2024/mean-distance-to-a-space",
    source=Source(PAPER, "Lemma D.4", "2407.12332"),
    title="Mean distance and the tail of the spectrum",
    statement=(
        r"For random $\Psi$ with $\Sigma = \mathbb{E}\, \Psi \Psi^\top$ and any $n$ functions "
        r"$k_i$, $\mathbb{E} \min_\alpha \lVert \Psi - \sum_i \alpha_i k_i \rVert^2 \ge "
        r"\sum_{i > n} \lambda_i(\Sigma)$."
    ),
    hypotheses=(r"the $k_i$ do not depend on $\Psi$",),
    uses=("mohamadi2024/distance-to-a-space",),
    gap="Random instances in floats; in general it is Ky Fan's maximum principle.",
    checks=(any_distribution, modular_addition),
    controls=(any_distribution.but(first=0), modular_addition.but(first=0)),
)


# --- Lemma D.6:  sum_{i<=n} l_i(S) <= n l_1((I-P) S (I-P)) + tr(P S P) ---------------------------
def commuting(d, values):
    """All diagonal S with these entries and all P on some of the axes, at every n."""
    slack = []
    for entries in itertools.product(values, repeat=d):
        largest = sorted(entries, reverse=True)
        for kept in itertools.product((0, 1), repeat=d):
            outside = max(0 if k else s for s, k in zip(entries, kept, strict=True))
            inside = sum(s for s, k in zip(entries, kept, strict=True) if k)
            slack += [n * outside + inside - sum(largest[:n]) for n in range(1, d + 1)]
    yield row(d=d, instances=len(slack), least=min(slack), largest=max(slack))
    yield series("least right side less left side", x=d, y=min(slack), xlabel="d")
    yield exact("right side less left side", min(slack)).at_least(0)


@check(dict(d=2), dict(d=3), dict(d=4))
def any_diagonal(lab, d, values=(-1, 0, 1)):
    yield from commuting(d, values)


@check(dict(d=2), dict(d=3), dict(d=4))
def semidefinite_diagonal(lab, d, values=(0, 1, 3)):
    yield from commuting(d, values)


def drawn(lab, d, definite):
    """Gaussian S = B B^T (or B + B^T) and spaces of every dimension, at every n."""
    slack = math.inf
    for trial in range(lab.pick(smoke=20, quick=100)):
        here = lab.at(trial)
        B = here.normal("B", d, d).cpu().double().numpy()
        S = B @ B.T if definite else B + B.T
        k = int(here.integers("dim V", 0, d + 1, 1))
        Q = np.linalg.qr(here.normal("V", d, d).cpu().double().numpy())[0][:, :k]
        R = np.eye(d) - Q @ Q.T
        first, rest = np.linalg.eigvalsh(S)[::-1].cumsum(), np.linalg.eigvalsh(R @ S @ R)[-1]
        right = np.arange(1, d + 1) * rest + np.trace(Q.T @ S @ Q)
        slack = min(slack, (right - first).min())
    yield series("least slack of random matrices", x=d, y=slack, xlabel="d")
    yield approx("right side less left side", slack, 1e-9).at_least(-1e-8)


DIMENSIONS = [dict(d=2), dict(d=3), dict(d=6), dict(d=12)]


@check(*DIMENSIONS)
def any_random(lab, d, definite=False):
    yield from drawn(lab, d, definite)


@check(*DIMENSIONS)
def semidefinite_random(lab, d, definite=True):
    yield from drawn(lab, d, definite)


lemma_d6_as_printed = Claim(
    id="mohamadi2024/eigenvalue-split-any-matrix",
    source=Source(PAPER, "Lemma D.6", "2407.12332"),
    title="Splitting eigenvalue sums, any matrix",
    statement=(
        r"For any symmetric $\Sigma$ and projector $P$, $\sum_{i \le n} \lambda_i(\Sigma) \le n "
        r"\lambda_1((I - P) \Sigma (I - P)) + \operatorname{Tr}(P \Sigma P)$."
    ),
    severity="S3",
    gap="Severity: slip. A hypothesis is missing; the lemma is applied to a covariance only, where "
    "it holds.",
    expect=Verdict.REFUTED,
    checks=(any_diagonal, any_random),
    controls=(
        any_diagonal.but(values=(0, 1, 2)).must_hold(),
        any_random.but(definite=True).must_hold(),
    ),
)

lemma_d6 = Claim(
    id="mohamadi2024/eigenvalue-split",
    source=Source(PAPER, "Lemma D.6", "2407.12332"),
    title="Splitting eigenvalue sums, positive semidefinite",
    statement=(
        r"For positive semidefinite $\Sigma$ and a projector $P$, $\sum_{i \le n} "
        r"\lambda_i(\Sigma) \le n \lambda_1((I - P) \Sigma (I - P)) "
        r"+ \operatorname{Tr}(P \Sigma P)$."
    ),
    corrects=("mohamadi2024/eigenvalue-split-any-matrix",),
    gap=(
        "Random matrices in floats, small diagonal ones exactly. The printed proof also puts two "
        "compressions of Sigma in Loewner order, which fails; their largest eigenvalues suffice."
    ),
    checks=(semidefinite_random, semidefinite_diagonal),
    controls=(
        semidefinite_random.but(definite=False),
        semidefinite_diagonal.but(values=(-1, 0, 3)),
    ),
)
