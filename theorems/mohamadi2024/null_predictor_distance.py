"""From distances to eigenvalues (Mohamadi et al. 2024, Lemmas D.3 and D.4, Corollary D.5).

dist^2(x, V) = |x|^2 - sum <x, v_i>^2 for an orthonormal basis v_i of V, hence for random Psi with
second moment Sigma and any space V of dimension n, by Ky Fan's maximum principle,

    E dist^2(Psi, V) = tr Sigma - sum v_i^T Sigma v_i >= l_(n+1)(Sigma) + l_(n+2)(Sigma) + ...

Cost: small exact solves, and eigenvalues of matrices of size at most 27.
"""

from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.orbits import expected_distance, second_moment, solve, sums_to_zero, symmetric

PAPER = "Mohamadi et al., Why Do You Grok?"


def gram_schmidt(B):
    """An orthogonal basis of the columns of B, not normalised, in Fractions."""
    basis = []
    for b in B.T:
        v = np.array([Fraction(int(e)) for e in b], dtype=object)
        for w in basis:
            v = v - (b @ w) / (w @ w) * w
        basis.append(v)
    return basis


# --- Lemma D.3 -----------------------------------------------------------------------------------
@check(lambda lab: [dict(d=d) for d in lab.pick(smoke=(2, 4), quick=(2, 3, 5, 8, 12))])
def pythagoras(lab, d, basis=gram_schmidt):
    """The residual of least squares by its normal equations, for spaces of every dimension."""
    B = lab.integers("B", -20, 21, d, d).cpu().numpy().astype(object)
    B += 50 * np.eye(d, dtype=int)  # keeps the columns apart
    x = lab.integers("x", -20, 21, d).cpu().numpy().astype(object)
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
    hypotheses=("the k_i do not depend on Psi",),
    uses=("mohamadi2024/distance-to-a-space",),
    gap="Random instances in floats; in general it is Ky Fan's maximum principle.",
    checks=(any_distribution, modular_addition),
    controls=(any_distribution.but(first=0), modular_addition.but(first=0)),
)
