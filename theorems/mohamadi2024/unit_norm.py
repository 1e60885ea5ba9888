"""The norm of one unit's share of the eNTK (Mohamadi et al. 2024, (B.4), (B.5)).

L_k = diag(w) C diag(w) with w_i = (Q_ka + R_kb)^2 for the input x_i = (a, b, c) and
C_ij = 1[c_i = c_j]: block by block of rank one. The paper finds |C| = rho_c, the multiplicity of
the most frequent c, and |L_k| <= 16 s_W^4 rho_c for |w| <= s_W, as the Chernoff bound of
Proposition B.4 needs it.
Cost: integer matrices of a few dozen rows.
"""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.kernels import inputs, jacobian, most_frequent, tangent_gram
from grokverify.linalg.exact import rank_exact
from grokverify.linalg.rational import is_semidefinite
from grokverify.nets import quadratic

PAPER = "Mohamadi et al., Why Do You Grok?"


def average(c):
    """The average multiplicity in place of the largest."""
    values = c.cpu().numpy() if hasattr(c, "cpu") else c
    return len(values) / len(set(values.tolist()))


@check(lambda lab: [dict(p=p, n=n) for p, n in lab.pick(
    smoke=((2, 5), (3, 12)), quick=((2, 5), (2, 8), (3, 12), (4, 20), (5, 30)))])  # fmt: skip
def exactly(lab, p, n, constant=16, count=most_frequent, block=np.sum):
    # Gradients by V of one unit at whole weights up to s, first with all of them s.
    x, s = inputs(p, lab.subset("inputs", p**3, n).cpu().numpy()), 3
    rho, C = count(x[2]), (x[2][:, None] == x[2]).astype(int)
    yield exact("C above rho_c", int(not is_semidefinite(rho * np.eye(n) - C))).equals(0)
    missed = rank_exact(rho * np.eye(n) - C) == n
    yield exact("rho_c is no eigenvalue of C", int(missed)).equals(0)
    for k in range(6):
        W = lab.at(k).integers("W", -s, s + 1, 1, 2 * p).cpu().numpy() if k else s + 0 * C[:1, :1]
        W = np.broadcast_to(W, (1, 2 * p))
        G = jacobian(W, np.zeros((p, 1), dtype=int), x)
        L = G @ G.T
        largest = max(int(block(L.diagonal()[x[2] == c])) for c in set(x[2].tolist()))
        wrong = not is_semidefinite(largest * np.eye(n, dtype=int) - L)
        yield exact("L_k above its largest block", int(wrong)).equals(0)
        yield exact("largest eigenvalue of L_k", largest).at_most(constant * s**4 * rho)
        share = Fraction(largest, s**4 * most_frequent(x[2]))
        yield exact("largest eigenvalue of L_k over s^4 rho_c", share).beside(printed="at most 16")
        if k == 0:
            yield row(p=p, n=n, rho_c=rho, norm=largest, bound=constant * s**4 * rho)
            yield series(
                "|L_k| / s^4 where all weights are s", x=rho, y=largest / s**4, printed=16 * rho,
                xlabel="rho_c",
            )  # fmt: skip


@check(p=st.integers(2, 7), n=st.integers(2, 60), s=st.floats(0.1, 3), extreme=st.booleans())
def in_floats(lab, p, n, s, extreme, constant=16.0, count=most_frequent):
    # torch's derivatives by V alone, uniform weights or all of them s; repeats are welcome.
    a, b, c = tuple(lab.integers(name, 0, p, n) for name in "abc")
    W = lab.uniform("W", 1, 2 * p, low=-s, high=s).double()
    W = torch.full_like(W, s) if extreme else W
    at = torch.arange(n, device=W.device)
    L = tangent_gram(lambda t: quadratic(W, t["V"], a, b)[at, c], {"V": W.new_zeros(p, 1)})
    norm = torch.linalg.eigvalsh(L)[-1] / (constant * s**4 * count(c))
    yield approx("|L_k| / (16 s^4 rho_c)", norm, 1e-12).at_most(1 + 1e-10)


unit_norm = Claim(
    id="mohamadi2024/unit-kernel-norm",
    source=Source(PAPER, "(B.4), (B.5), proof of Proposition B.4", "2407.12332"),
    title="The norm of one unit's share of the eNTK",
    statement=r"$\lVert\mathbf C\rVert=\rho_c$ for $\mathbf C_{ij}=1[c_i=c_j]$, and "
    r"$\lVert\mathbf L_{\theta_k}\rVert\le 16 s_W^4\rho_c$ if all weights of $W$ are at most "
    r"$s_W$ in size, with equality if all are $s_W$.",
    hypotheses=(r"$|w|\le s_W$",),
    checks=(exactly, in_floats),
    controls=(
        exactly.but(constant=15),
        exactly.but(count=average),
        exactly.but(block=np.max),
        in_floats.but(constant=15.9),
        in_floats.but(count=average),
    ),
    gap="Random input sets and weights; whole weights where it is exact.",
)
