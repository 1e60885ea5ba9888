"""The least eigenvalue of the expected eNTK (sharpens Proposition B.3 of Mohamadi et al. 2024).

V is fixed, W has independent entries of mean zero and variance s = sigma_W^2. The derivatives by
the first layer, which the paper leaves aside as positive semi-definite, add on average

    E J(x, x') = 4 s (V V')_cc' (1[a=a'] + 1[b=b'] + 2 1[a=a', b=b']),

and on all p^3 inputs the least eigenvalue of the whole is attained on tensors that sum to zero
along a and along b:  lambda_min(E K_theta) = 4 h s^2 + 8 s lambda_min(V V').
So the printed floor 4 h sigma_W^4 is attained if and only if V V' is singular, as for h < p.
Cost: all weights of a law on two or three values, one unit at a time; matrices of p^3 rows.
"""

import itertools
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import differing, plane_rotation
from grokverify.kernels import entk, inputs, jacobian
from grokverify.linalg.exact import rank_exact
from grokverify.linalg.rational import is_semidefinite

PAPER = "Mohamadi et al., Why Do You Grok?"
LAWS = [[-1, 1], [-2, 1, 1]]  # uniform on the listed values; the second is skewed


def variance(law):
    return Fraction(sum(w * w for w in law), len(law))


def summed(V, law, x, first=0):
    """Sum over units and over all weights of a unit of the Gram matrix of its gradients.

    ``first`` leaves out that many columns of each unit: p of them are the derivatives by V.
    """
    p, h = V.shape
    K, count = 0, 0
    for w in itertools.product(law, repeat=2 * p):
        count += 1
        for k in range(h):
            G = jacobian([list(w)], V[:, k : k + 1], x)[:, first:]
            K = K + G @ G.T
    return K, count


# --- E J ------------------------------------------------------------------------------------------


@check(lambda lab: [dict(p=p, h=h, law=law) for p, h, law in lab.pick(
    smoke=((2, 1, LAWS[0]), (2, 2, LAWS[1])), quick=((2, 1, LAWS[0]), (2, 3, LAWS[1]),
    (3, 1, LAWS[0]), (3, 2, LAWS[0])))])  # fmt: skip
def first_layer_share(lab, p, h, law, both=2, centre=0):
    x = inputs(p, np.arange(p**3))
    V = lab.integers("V", 1, 6, p, h).cpu().numpy().astype(object)
    J, count = summed(V, [w + centre for w in law], x, first=p)
    A, B = ((u[:, None] == u).astype(int) for u in x[:2])
    c = x[2]
    formula = 4 * variance(law) * (V @ V.T)[np.ix_(c, c)] * (A + B + both * A * B)
    off = differing((J,), (count * formula,))
    yield exact("entries of E J off the formula", off).equals(0)


# --- lambda_min(E K) on all inputs, exactly, for V whose V V' has known eigenvalues ---------------


def turned_diagonal(values):
    """5 R diag(values), R a product of turns with rational sines: V V' has 25 values^2."""
    p = len(values)
    R = np.eye(p, dtype=int)
    for i in range(p - 1):
        R = R @ (plane_rotation(p, i, i + 1) * (5 if i == 0 else 1))
    V = R @ np.diag(values)
    scale = 5 ** (p - 2)
    return np.vectorize(int, otypes=[object])(V * scale), [(5 * scale * v) ** 2 for v in values]


@check(lambda lab: [dict(values=v) for v in lab.pick(
    smoke=([1, 2], [0, 1]), quick=([1, 2], [3, 1], [0, 1], [1, 2, 2], [1, 1, 3]))])  # fmt: skip
def least_eigenvalue(lab, values, slope=8):
    # One zero among the values makes V V' singular.
    V, squares = turned_diagonal(values)
    p = h = len(values)
    law = LAWS[p == 2]
    K, count = summed(V, law, inputs(p, np.arange(p**3)))
    s = variance(law)
    floor = 4 * h * s**2 + slope * s * min(squares)
    shifted = K - count * floor * np.eye(p**3, dtype=int)
    multiplicity = p**3 - rank_exact(shifted)
    yield row(p=p, h=h, least_of_VV=min(squares), floor=floor, printed=4 * h * s**2)
    yield exact("eigenvalues below the formula", int(not is_semidefinite(shifted))).equals(0)
    expected = (p - 1) ** 2 * squares.count(min(squares))
    yield exact("multiplicity less the expected one", multiplicity - expected).at_least(0)


# --- the same in float64 for any V: the mean over all sign patterns of the library's kernel -------


@check(p=st.integers(2, 3), h=st.integers(1, 5), scale=st.floats(0.1, 2))
def least_by_signs(lab, p, h, scale, slope=8.0):
    V = scale * lab.normal("V", p, h).double()
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=2 * p))).to(V)
    x = inputs(p, torch.arange(p**3, device=V.device))
    units = (entk(signs[:, None, :], V[:, k : k + 1], x).mean(0) for k in range(h))
    found = torch.linalg.eigvalsh(sum(units))[0]
    floor = 4 * h + slope * torch.linalg.eigvalsh(V @ V.mT)[0]
    yield series(
        f"least eigenvalue of E K, p = {p}, sigma_W = 1", x=h, y=found, printed=4 * h,
        xlabel="h", beside="4 h sigma^4 of Proposition B.3",
    )  # fmt: skip
    yield approx("least eigenvalue of E K over h sigma^4", found / h).beside(printed="at least 4")
    yield approx("relative error of the formula", abs(found / floor - 1), 1e-12).at_most(1e-9)


expected_spectrum = Claim(
    id="mohamadi2024/expected-kernel-least-eigenvalue",
    source=Source(PAPER, "sharpens Proposition B.3", "2407.12332"),
    origin="ours",
    title="The least eigenvalue of the expected eNTK",
    statement=r"For independent entries of $W$ with mean zero, $\mathbb E\,J_\theta(x,x')="
    r"4\sigma_W^2 (VV^{\top})_{cc'}(1[a=a']+1[b=b']+2\cdot 1[a=a',b=b'])$, and on all $p^3$ inputs "
    r"$\lambda_{\min}(\mathbb E\,\mathbf K_\theta)=4h\sigma_W^4+8\sigma_W^2\lambda_{\min}"
    r"(VV^{\top})$, so that the printed floor $4h\sigma_W^4$ is attained if and only if "
    r"$VV^{\top}$ is singular.",
    hypotheses=("independent entries of mean zero", "V is fixed"),
    checks=(first_layer_share, least_eigenvalue, least_by_signs),
    controls=(
        first_layer_share.but(both=1),
        first_layer_share.but(centre=1),
        least_eigenvalue.but(slope=9),
        least_eigenvalue.but(slope=7),
        least_by_signs.but(slope=7.9),
    ),
    sharpens=("mohamadi2024/expected-kernel-floor",),
    uses=("mohamadi2024/expected-kernel-floor", "mohamadi2024/infinite-width-kernel"),
    gap="Whole kernels at p = 2 and 3, for the eigenvalues with a skewed law and fair signs. That "
    "the rest of E K is positive semi-definite for every law is the argument for the floor.",
)
