"""Which labels ridgeless kernel regression attains (Mohamadi et al. 2024, Lemmas B.1 and B.2).

On its training inputs it predicts K K^+ y, the orthogonal projection of y on the range of K:
    K positive definite  =>  every y is attained  (B.1),
    K singular           =>  some y is not: any null vector of K, answered by zero  (B.2).
B.2 needs that K^+ vanishes where K does, so it needs K symmetric.
Cost: rational matrices of up to five rows; float64 ones of sixty.
"""

import itertools

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.kernels import entk, inputs, kernel_regression
from grokverify.linalg.exact import kernel, rank_exact
from grokverify.linalg.rational import pseudo_inverse, rational

PAPER = "Mohamadi et al., Why Do You Grok?"


def grams(lab, n, ranks):
    """Different K = F F' with F of shape (n, r): all with entries -1, 0, 1 while n r < 5."""
    seen = {}
    for r in ranks:
        if n * r < 5:
            every = itertools.product((-1, 0, 1), repeat=n * r)
        else:
            drawn = lab.integers(f"F, {r}", -3, 4, 40, n * r)
            every = (tuple(F) for F in drawn.tolist())
        for F in every:
            K = np.array(F).reshape(n, r) @ np.array(F).reshape(n, r).T
            seen[K.tobytes()] = K
    return seen.values()


def sizes(lab):
    return [dict(n=n) for n in lab.pick(smoke=(1, 2, 3), quick=(1, 2, 3, 4, 5))]


# --- Lemma B.1:  K > 0  =>  K K^+ y = y -----------------------------------------------------------


@check(sizes)
def attained_exactly(lab, n, deficit=0, ridge=0):
    # The projector K K^+ is the identity, so that no label vector has to be chosen.
    unit, missed, definite = rational(np.eye(n, dtype=int)), 0, 0
    for K in grams(lab, n, [n]):
        if rank_exact(K) == n:
            K = K.copy()
            K[:deficit] = K[:, :deficit] = 0
            definite += 1
            missed += bool((rational(K) @ pseudo_inverse(K + ridge * np.eye(n)) != unit).any())
    yield row(n=n, kernels=definite, missed=missed)
    yield exact("definite kernels that miss some labels", missed).equals(0)


@check(n=st.integers(2, 60), log_condition=st.integers(0, 5))
def attained_in_floats(lab, n, log_condition, lost=0, ridge=0.0):
    # Random directions, eigenvalues from 1 down to 10^-log_condition; float64 pseudo-inverse.
    G = torch.linalg.qr(lab.normal("directions", n, n).double()).Q
    values = torch.logspace(0, -log_condition, n, dtype=torch.float64, device=G.device)
    values[n - lost :] = 0
    K = (G * values) @ G.mT + ridge * torch.eye(n, dtype=G.dtype, device=G.device)
    K, answer = (K + K.mT) / 2, (G * values) @ G.mT
    y = lab.normal("y", n).double()
    off = (kernel_regression(K, y, answer) - y).norm() / y.norm()
    yield series(
        "relative training error", x=10**log_condition, y=off, xlabel="condition number", log="xy",
    )  # fmt: skip
    yield approx("relative training error", off, 1e-12).at_most(1e-8)


definite_attains = Claim(
    id="mohamadi2024/definite-kernels-attain-all-labels",
    source=Source(PAPER, "Lemma B.1", "2407.12332"),
    title="Regression with a positive definite kernel matrix has zero training error",
    statement=r"If $\mathbf K=[K(x_i,x_j)]_{ij}$ is positive definite, then "
    r"$\mathbf K\mathbf K^{\dagger}\mathbf y=\mathbf y$ for every $\mathbf y$.",
    checks=(attained_exactly, attained_in_floats),
    controls=(
        attained_exactly.but(deficit=1),
        attained_exactly.but(ridge=1),
        attained_in_floats.but(lost=1),
        attained_in_floats.but(ridge=1e-3),
    ),
    gap="All kernels with factors in {-1, 0, 1} on two points, random ones on up to five exactly, "
    "on up to sixty in float64 with condition numbers up to 10^5.",
)


# --- Lemma B.2:  K singular  =>  some y != K K^+ y ------------------------------------------------


def null_vectors(K):
    return kernel(K)


def columns_of(K):
    """Labels in the range of K: attained, though K is singular."""
    return K


def symmetric(K):
    return K


def sheared(K):
    """The same rank and null space, but not symmetric."""
    S = np.eye(len(K), dtype=int)
    S[0] = 1
    return S @ K


@check(lambda lab: [c for c in sizes(lab) if c["n"] > 1])
def missed_exactly(lab, n, labels=null_vectors, form=symmetric, least=0):
    answered = singular = attained = 0
    for K in grams(lab, n, range(1, n)):
        K = form(K)
        predict, y = rational(K) @ pseudo_inverse(K), rational(labels(K))
        singular += 1
        answered += bool((predict @ y != 0).any())
        attained += not bool((predict @ y != y).any())
    yield row(n=n, singular=singular, attained=attained)
    yield exact("singular kernels that answer a null vector", answered).equals(0)
    yield exact("singular kernels that attain all labels tried", attained).equals(0)


# The eNTK itself, singular for want of width: whole weights, labels in its null space.


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2,), quick=(2, 3, 5))])
def missed_by_the_entk(lab, p, wider=0, labels=null_vectors):
    n = min(4 * p, p**3)
    x = inputs(p, lab.subset("inputs", p**3, n))
    h = (n - 1) // (3 * p) + wider
    K = entk(lab.integers("W", 1, 50, h, 2 * p), lab.integers("V", 1, 50, p, h), x).cpu()
    y = labels(K.numpy())
    yield exact("labellings tried", y.shape[1]).at_least(1)
    if y.shape[1]:
        real, y = K.double(), torch.as_tensor(y.astype(float))
        y = y / y.norm(dim=0)
        answers = kernel_regression(real, y).norm(dim=0)
        yield row(p=p, n=n, h=h, unattained=y.shape[1])
        yield series(
            "largest answer to a unit null vector", x=p, y=answers.max() + 1e-17, xlabel="p",
            log="y",
        )  # fmt: skip
        yield approx("largest answer to a unit null vector", answers.max(), 1e-12).at_most(1e-6)


singular_misses = Claim(
    id="mohamadi2024/singular-kernels-miss-some-labels",
    source=Source(PAPER, "Lemma B.2", "2407.12332"),
    title="Regression with a singular kernel matrix misses some labels",
    statement=r"If $\mathbf K=[K(x_i,x_j)]_{ij}$ is singular, then every $\mathbf y\ne 0$ with "
    r"$\mathbf K\mathbf y=0$ is answered by $\mathbf K\mathbf K^{\dagger}\mathbf y=0$, so that "
    r"the training error is not zero.",
    hypotheses=(r"$\mathbf K$ is symmetric and positive semi-definite",),
    checks=(missed_exactly, missed_by_the_entk),
    controls=(
        missed_exactly.but(labels=columns_of),
        missed_exactly.but(form=sheared),
        missed_by_the_entk.but(labels=columns_of),
        missed_by_the_entk.but(wider=2),
    ),
    uses=("mohamadi2024/necessary-width",),
    gap="All kernels with small factors on two and three points, random ones beyond. Without "
    "symmetry the null spaces of K and of its pseudo-inverse differ, and the first part fails.",
)
