"""Kumar et al., Section 6.1 and equation (8): eigenvectors of the kernel as labels.

Cost: instant; exact rationals up to seven points.
"""

from fractions import Fraction

import numpy as np
import sympy as sp
import torch

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# (8)  difficulty = y'K^-1 y;  alignment = y'Ky / (|K|_F |y|^2). For y the j-th unit eigenvector,
#      by falling eigenvalue: difficulty = 1/lambda_j, rising in j; alignment = lambda_j / |K|_F,
#      falling in j.


def difficulty(values, j):
    return 1 / values[j]


def alignment_squared(values, j):
    return values[j] ** 2 / sum(v**2 for v in values)


def difficulty_shifted(values, j):
    return 1 / values[max(j - 1, 0)]


def alignment_by_trace(values, j):
    """Divided by the trace instead of the Frobenius norm."""
    return values[j] ** 2 / sum(values) ** 2


@check(dict(j=0), dict(j=1))
def in_symbols(lab, j, hard=difficulty, aligned=alignment_squared):
    """Two points: K = Q diag(l) Q' with a rotation of rational parameter t and symbols l."""
    t, values = sp.Symbol("t"), sp.symbols("l1 l2")
    Q = sp.Matrix([[1 - t**2, -2 * t], [2 * t, 1 - t**2]]) / (1 + t**2)
    K, y = Q * sp.diag(*values) * Q.T, Q[:, j]
    inverse = K.adjugate() / K.det()
    yield residue("terms left of (8)", (y.T * inverse * y)[0] - hard(values, j)).equals(0)
    square = (y.T * K * y)[0] ** 2 / sum(k**2 for k in K) / y.dot(y) ** 2
    yield residue("terms left of the alignment", square - aligned(values, j)).equals(0)


def rotation(lab, P):
    """The Cayley transform (I - S)(I + S)^-1 of a skew integer matrix, as sympy rationals."""
    S = np.tril(lab.integers("s", -2, 3, P, P).cpu().numpy(), -1)
    S = sp.Matrix((S - S.T).tolist())
    return (sp.eye(P) - S) * (sp.eye(P) + S).inv()


@check(lambda lab: [dict(P=P) for P in lab.pick(smoke=(3,), quick=(1, 2, 3, 5, 7))])
def in_fractions(lab, P, hard=difficulty, aligned=alignment_squared):
    """A kernel matrix with rational eigenvectors and the eigenvalues P, ..., 1."""
    Q, values = rotation(lab, P), [Fraction(P - j) for j in range(P)]
    K = Q * sp.diag(*range(P, 0, -1)) * Q.T
    inverse = K.inv()
    for j in range(P):
        y = Q[:, j]
        seen = sp.Rational((y.T * inverse * y)[0])
        share = sp.Rational((y.T * K * y)[0]) ** 2 / sum(k**2 for k in K)
        measured = Fraction(int(seen.p), int(seen.q)), Fraction(int(share.p), int(share.q))
        yield exact("difficulty", measured[0]).equals(exact("1/lambda", hard(values, j)))
        yield exact("alignment^2", measured[1]).equals(exact("formula", aligned(values, j)))


@check(lambda lab: [dict(P=P) for P in lab.pick(smoke=(10,), quick=(10, 40))])
def on_a_network(lab, P, hard=difficulty, aligned=alignment_squared):
    """The tangent kernel of a network at P <= D(D + 3)/2 inputs, where it is invertible."""
    D, N, eps = 10, 40, 1.0
    # in double precision whatever the lab's: inverse kernels need the digits
    W, x = lab.normal("w", N, D).double(), lab.normal("x", P, D).double() / D**0.5
    xz, wx, xMz = x @ x.mT, x @ W.mean(0), x @ (W.mT @ W / N) @ x.mT
    K = xz * (1 + eps * (wx[:, None] + wx[None, :]) + eps**2 * xMz)
    values, basis = torch.linalg.eigh(K)
    values, basis, worst = values.flip(0), basis.flip(1), 0.0
    for j in range(P):
        y = basis[:, j]
        seen = float(y @ torch.linalg.solve(K, y)), float(y @ K @ y / K.norm()) ** 2
        told = float(hard(values, j)), float(aligned(values, j))
        worst = max(worst, *(abs(a / b - 1) for a, b in zip(seen, told, strict=True)))
        axes = {"x": j + 1, "xlabel": "j", "log": "y"}
        yield series(f"difficulty of eigenvector j, P={P}", y=seen[0], printed=told[0], **axes)
        yield series(f"alignment of eigenvector j, P={P}", y=seen[1] ** 0.5, **axes)
    yield row(P=P, easiest=1 / float(values[0]), hardest=1 / float(values[-1]))
    yield approx("worst relative gap", worst).at_most(1e-5)


LINES = (in_symbols, in_fractions, on_a_network)
eigenvector_labels = Claim(
    id="kumar2024/eigenvector-labels",
    source=Source(PAPER, "equation (8) and Section 6.1", "2310.06110"),
    title="Labels along the j-th eigenvector: difficulty rises and alignment falls with j",
    statement=(
        r"If $y$ is the $j$-th unit eigenvector of $K$, by falling eigenvalue, then $y^\top K^{-1} "
        r"y = \frac{1}{\lambda_j}$ and $\frac{y^\top K y}{| K |_F | y |^2} = \frac{\lambda_j}{| K "
        r"|_F}$."
    ),
    hypotheses=("K is invertible; else the pseudo-inverse, on its range",),
    checks=LINES,
    controls=tuple(
        control
        for line in LINES
        for control in (line.but(hard=difficulty_shifted), line.but(aligned=alignment_by_trace))
    ),
    gap="(8) itself is a definition. Nothing is said here about what a network learns from such "
    "labels.",
)
