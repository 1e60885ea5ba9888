"""Kernels with matrix values, and the loss of p logits (Mohamadi et al. 2024, Section 4.1).

The network of classification has p logits f(theta; (a, b)) = V (W (e_a, e_b))^2; its tangent kernel
at x = (a, b), x' = (a', b') is the p x p matrix, with z_k = Q_ka + R_kb,

    K(x, x') = (sum_k z_k^2 z'_k^2) I + (1[a=a'] + 1[b=b']) V diag(4 z_k z'_k) V^T.

Section 4.1 calls such matrices positive semi-definite, and Definition 4.1 asks that of every pair.
But z_k z'_k may be negative where x and x' share one summand. What makes K a kernel is that the
matrix of all blocks is symmetric, K(x', x) = K(x, x')^T, and positive semi-definite.
Cost: all 729 networks of one unit with weights -1, 0, 1 at p = 2; float64 kernels of p^3 rows.
"""

import itertools

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.kernels import entk_classification, inputs, jacobian
from grokverify.linalg.rational import is_semidefinite
from grokverify.nets import quadratic
from grokverify.worked import given

PAPER = "Mohamadi et al., Why Do You Grok?"

# --- which matrices have to be positive semi-definite, given K of shape (n, n, p, p) --------------


def each_block(K):
    """Definition 4.1: K(x, x') for every pair."""
    return list(K.reshape(-1, *K.shape[2:]))


def all_together(K):
    """The matrix of all blocks."""
    n, _, p, _ = K.shape
    return [np.moveaxis(K, 1, 2).reshape(n * p, n * p)]


def shared(K, *numbers):
    """The blocks of pairs that share so many of their two summands."""
    p = K.shape[2]
    a, b = (i.ravel() for i in np.indices((p, p)))
    same = (a[:, None] == a).astype(int) + (b[:, None] == b)
    return list(K[np.isin(same, numbers)])


def one_class_late(K):
    """Rows and columns of the whole in different orders: no longer a Gram matrix."""
    return [M[1:, :-1] for M in all_together(K)]


def none_or_both(K):
    return shared(K, 0, 2)


def exactly_one(K):
    return shared(K, 1)


def indefinite(matrices):
    return sum((M != M.T).any() or not is_semidefinite(M) for M in matrices)


def networks(lab):
    """All with one unit at p = 2 and weights -1, 0, 1, those with small weights first."""
    every = itertools.product((-1, 0, 1), repeat=6)
    ordered = sorted(every, key=lambda w: (sum(map(abs, w)), w))
    return [dict(W=[list(w[:4])], V=[[w[4]], [w[5]]]) for w in ordered]


def entk_checks(rule):
    @check(networks)
    def small_networks(lab, W, V, matrices=rule, first_layer=1):
        # The Gram matrix of the gradients of all logits, those by the first layer with a factor.
        G = jacobian(W, V, inputs(2, np.arange(8)))
        K = G[:, :2] @ G[:, :2].T + first_layer * G[:, 2:] @ G[:, 2:].T
        K = np.moveaxis(K.reshape(4, 2, 4, 2), 1, 2)
        yield exact("indefinite matrices", indefinite(matrices(K))).equals(0)

    # Gaussian weights and the library's closed form, in float64.
    @check(p=st.integers(2, 5), h=st.integers(1, 8))
    def gaussian_networks(lab, p, h, matrices=rule, first_layer=1.0):
        W, V = lab.normal("W", h, 2 * p).double(), lab.normal("V", p, h).double()
        a, b, _ = inputs(p, p * torch.arange(p * p, device=W.device))
        L = entk_classification(W, 0 * V, (a, b))
        K = L + first_layer * (entk_classification(W, V, (a, b)) - L)
        size = float(K.abs().max())
        K = K.cpu().numpy() / size
        of_blocks = [np.linalg.eigvalsh((B + B.T) / 2)[0] for B in each_block(K)]
        share = sum(value < -1e-9 for value in of_blocks) / p**4
        yield row(p=p, h=h, indefinite_blocks=share, least_eigenvalue_of_a_block=min(of_blocks))
        name = "share of pairs (x, x') whose block of the eNTK is indefinite"
        yield series(name, x=h, y=share, printed=0, xlabel="h", beside="Section 4.1")
        chosen = matrices(K)
        lopsided = max(float(np.abs(M - M.T).max()) for M in chosen)
        yield approx("asymmetry of a matrix", lopsided, 1e-13).at_most(1e-10)
        least = min(np.linalg.eigvalsh((M + M.T) / 2)[0] for M in chosen)
        yield approx("least eigenvalue, relative", least, 1e-12).at_least(-1e-9)

    return small_networks, gaussian_networks


_small, _gaussian = entk_checks(each_block)
blocks_printed = Claim(
    id="mohamadi2024/matrix-kernel-blocks",
    source=Source(PAPER, "Section 4.1, Definition 4.1", "2407.12332"),
    title="The eNTK of classification has positive semi-definite blocks",
    statement=r"For $f(\theta;(e_a,e_b))=V(W(e_a,e_b))^{\odot 2}$ the $p\times p$ matrix "
    r"$K_\theta(x,x')=\nabla f(\theta;x)\nabla f(\theta;x')^{\top}$ is positive semi-definite for "
    r"each pair $x,x'$, so that $K_\theta$ is a kernel in the sense of Definition 4.1.",
    checks=(_small, _gaussian),
    controls=(
        _small.but(matrices=all_together).must_hold(),
        _gaussian.but(matrices=all_together).must_hold(),
        _small.but(matrices=none_or_both).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S3",
    gap="Severity: slip of a definition, which read literally leaves out the eNTK of the paper. "
    "The lower bound of Theorem 4.3 uses no property of the blocks and stands.",
)


# --- the converse: blocks that are positive semi-definite make no kernel --------------------------


def any_pair(A, B):
    return True


def dominated(A, B):
    """B below A in Loewner order."""
    return is_semidefinite(A - B)


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(1, 2), quick=(1, 2, 3))])
def block_by_block(lab, p, allowed=any_pair):
    # Two points, K(x, x) = K(x', x') = A and K(x, x') = B, diagonal with entries 0, 1, 2.
    kernels = wrong = 0
    diagonals = [np.diag(d) for d in itertools.product(range(3), repeat=p)]
    for A, B in itertools.product(diagonals, repeat=2):
        if allowed(A, B):
            kernels += 1
            wrong += indefinite(all_together(np.array([[A, B], [B, A]])))
    yield row(p=p, with_definite_blocks=kernels, no_kernels=wrong)
    yield exact("kernels by Definition 4.1 that are none", wrong).at_least(1)


_small, _gaussian = entk_checks(all_together)
matrix_kernels = Claim(
    id="mohamadi2024/matrix-kernel",
    source=Source(PAPER, "Definition 4.1, corrected", "2407.12332"),
    title="What makes the eNTK of classification a kernel",
    statement=r"$K_\theta(x',x)=K_\theta(x,x')^{\top}$ and $\sum_{ij}\lambda_i^{\top}"
    r"K_\theta(x_i,x_j)\lambda_j\ge 0$ for all $\lambda_i\in\mathbb R^p$. Single blocks are "
    r"positive semi-definite where $x$ and $x'$ share none or both of their summands. Positive "
    r"semi-definite blocks $K(x,x')$ alone do not make such a kernel.",
    checks=(
        _small.part("a kernel"),
        _gaussian.part("a kernel"),
        block_by_block.part("the converse"),
    ),
    controls=(
        _small.but(matrices=each_block),
        _small.but(matrices=exactly_one),
        _small.but(first_layer=-1),
        _small.but(matrices=none_or_both).must_hold(),
        _gaussian.but(matrices=exactly_one),
        _gaussian.but(first_layer=-1.0),
        _gaussian.but(matrices=one_class_late),
        _gaussian.but(matrices=none_or_both).must_hold(),
        block_by_block.but(allowed=dominated),
    ),
    corrects=("mohamadi2024/matrix-kernel-blocks",),
    gap="All networks of one unit with weights -1, 0, 1 at p = 2, random ones in float64. In "
    "general K is a Gram matrix of gradients, which needs no check.",
)


# --- Psi'((x, e_k)) = Psi(x)_k: mean of |Psi - p e_c|^2 over p^2, of (Psi' - y)^2 over p^3 --------


def one(p):
    return 1


def the_classes(p):
    return p


def loss_checks(ratio):
    @check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5, 7, 11))])
    def any_predictor(lab, p, factor=ratio):
        psi = lab.integers("psi", -9, 10, p, p, p).cpu().numpy()
        a, b, c = np.indices((p, p, p))
        gap = given(psi - p * ((a + b - c) % p == 0)) ** 2
        classification = gap.sum(axis=2).sum() / p**2
        regression = gap.sum() / p**3
        yield exact("loss ratio, less the factor", classification / regression - factor(p)).equals(
            0
        )
        yield series(
            "loss of p logits over that of g, one predictor", x=p, y=classification / regression,
            printed=1, xlabel="p",
        )  # fmt: skip

    @check(p=st.integers(2, 23), h=st.integers(1, 30))
    def networks_of_both_kinds(lab, p, h, factor=ratio):
        # f at all pairs, in floats, against g at all triples; the two share their weights.
        W, V = lab.normal("W", h, 2 * p).double(), lab.normal("V", p, h).double()
        a, b = (i.ravel() for i in torch.meshgrid(*[torch.arange(p)] * 2, indexing="ij"))
        target = p * torch.nn.functional.one_hot((a + b) % p, p).to(W)
        logits = (quadratic(W, V, a.to(W.device), b.to(W.device)) - target).square().sum(1).mean()
        a, b, c = inputs(p, torch.arange(p**3, device=W.device))
        g = sum(V[c, k] * (W[k, a] + W[k, p + b]).square() for k in range(h))
        scalar = (g - p * ((a + b - c) % p == 0).to(W)).square().mean()
        off = abs(float(logits / scalar) / factor(p) - 1)
        yield approx("loss ratio over the factor, less 1", off, 1e-13).at_most(1e-10)

    return any_predictor, networks_of_both_kinds


_any, _networks = loss_checks(one)
losses_printed = Claim(
    id="mohamadi2024/same-population-loss",
    source=Source(PAPER, "Section 4.1, text after Theorem 4.3", "2407.12332"),
    title="Classification and regression have the same population loss",
    statement=r"For $\Psi$ with values in $\mathbb R^p$ and $\Psi'(x,e_k)=[\Psi(x)]_k$ the "
    r"population losses agree: $\frac{1}{p^2}\sum_x\lVert\Psi(x)-p\,e_c\rVert^2="
    r"\frac{1}{p^3}\sum_{x,k}(\Psi'(x,e_k)-y)^2$.",
    checks=(_any, _networks),
    controls=(
        _any.but(factor=the_classes).must_hold(),
        _networks.but(factor=the_classes).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S3",
    gap="Severity: slip. Losses as in the proofs of Theorems 3.4 and 4.3. The theorem compares a "
    "loss with that of the zero predictor, so that a common factor does not matter.",
)

_any, _networks = loss_checks(the_classes)
losses = Claim(
    id="mohamadi2024/classification-loss",
    source=Source(PAPER, "Section 4.1, text after Theorem 4.3, corrected", "2407.12332"),
    title="The population loss of classification is p times that of regression",
    statement=r"For $\Psi$ with values in $\mathbb R^p$ and $\Psi'(x,e_k)=[\Psi(x)]_k$, "
    r"$\frac{1}{p^2}\sum_x\lVert\Psi(x)-p\,e_c\rVert^2=p\cdot"
    r"\frac{1}{p^3}\sum_{x,k}(\Psi'(x,e_k)-y)^2$. The zero predictor has $p^2$ and $p$.",
    checks=(_any, _networks),
    controls=(_any.but(factor=one), _networks.but(factor=one)),
    corrects=("mohamadi2024/same-population-loss",),
    gap="Random predictors and networks; an identity of sums.",
)
