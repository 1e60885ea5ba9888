"""What is special about permutations (beside Mohamadi et al. 2024, Theorem C.2, Corollary C.7).

Turn the inputs by an orthogonal Q, x -> Q x, and the first layer with them, W -> W Q'. Then W x
does not change, gradient descent commutes with the turn, and Adam does not: dividing by the root
of the squared gradient needs the coordinates as they are. Symmetries that are not orthogonal keep
the values of the network (condition (1) of Theorem C.2) and yet not its gradients (condition (2)).
Cost: rational runs, milliseconds each.
"""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import deviation, differing, plane_rotation, rotation
from grokverify.nets import quadratic
from grokverify.training import (
    State,
    adam,
    gradient_descent,
    gradient_of,
    square_loss_gradient,
    trajectory,
)

PAPER = "Mohamadi et al., Why Do You Grok?"


def rational_root(v):
    """The square root of squares of fractions: Adam's first step takes no other."""
    roots = [Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator)) for x in v.ravel()]
    assert all(r * r == x for r, x in zip(roots, v.ravel(), strict=True))
    return np.array(roots, dtype=object).reshape(v.shape)


EXACT = {  # and how many steps of it
    "gradient descent": (gradient_descent(Fraction(1, 50)), 2),
    "Adam": (adam(Fraction(1, 8), Fraction(7, 8), Fraction(63, 64), 1, root=rational_root), 1),
}
FLOAT = {"gradient descent": gradient_descent(0.05), "Adam": adam(0.01)}


def fractions(x):
    return np.vectorize(Fraction, otypes=[object])(x)


def inputs(p, a, b):
    """The columns (e_a, e_b), shape (2p, n), as whole numbers."""
    X = np.zeros((2 * p, len(a)), dtype=int)
    X[a, range(len(a))] = X[p + b, range(len(b))] = 1
    return X


def data(lab, p, n):
    a, b, c = np.unravel_index(lab.subset("D", p**3, n).cpu().numpy(), (p, p, p))
    return a, b, c, p * ((a + b) % p == c)


# With x_i any column of X:  g_i = sum_k V_ck z_ki^2,  z = W X,  r_i = 2 (g_i - y_i) / n,
# dL/dV_c = sum r_i z_i^2 over c_i = c,  dL/dW = sum 2 r_i (V_ci z_i) x_i'.


def exact_gradient(X, c, y):
    def gradient(theta):
        W, V = theta
        z = (W @ X).T
        r = Fraction(2, len(y)) * ((V[c] * z * z).sum(1) - y)
        dV = V - V
        np.add.at(dV, c, r[:, None] * z * z)
        return (2 * r[:, None] * V[c] * z).T @ X.T, dV

    return gradient


def float_gradient(X, c, y):
    def loss(theta):
        W, V = theta
        return ((V[c] * (W @ X).T.square()).sum(1) - y).square().mean()

    return gradient_of(loss)


def rotation_checks(rule, told):
    """Runs on turned and on plain inputs; ``told`` turns the two defects into comparisons."""

    # The turn of two input coordinates by the angle of the triangle 3, 4, 5.
    @check(*[{"i": i, "j": j} for i, j in itertools.combinations(range(4), 2)])
    def plane_turns(lab, i, j, rule=rule, cosine=Fraction(3, 5), sine=Fraction(4, 5)):
        p, h = 2, 2
        a, b, c, y = data(lab, p, 6)
        X, Q = fractions(inputs(p, a, b)), plane_rotation(2 * p, i, j, cosine, sine)
        back = plane_rotation(2 * p, i, j, cosine, -sine)  # Q's inverse up to its determinant ...
        for k in (i, j):
            back[k, [i, j]] = back[k, [i, j]] / (cosine**2 + sine**2)  # ... which is one for turns
        U = fractions(lab.integers("W", 1, 5, h, 2 * p).cpu()), fractions([[1, 2], [-1, 1]])
        update, steps = EXACT[rule]
        plain = trajectory(update, exact_gradient(X, c, y), State(U), steps)
        start = State((U[0] @ back, U[1]))
        turned = trajectory(update, exact_gradient(Q @ X, c, y), start, steps)
        moved = [(u.theta[0] @ back, u.theta[1]) for u in plain]
        wrong = sum(differing(u.theta, v) for u, v in zip(turned, moved, strict=True))
        yield told(exact("weights that differ", wrong))

    @check(lambda lab: [{"p": p} for p in lab.pick(smoke=(5,), quick=(5, 9), standard=(5, 11, 23))])
    def random_turns(lab, p, rule=rule, stretch=1.0, whole=False, steps=40):
        lab = replace(lab, dtype="float64")  # the tolerance is one for float64
        h, n = 4 * p, min(p**3, round(2 * p**2.25))
        a, b, c, y = data(lab, p, n)
        X, y, c = lab.real(inputs(p, a, b)), lab.real(y), torch.as_tensor(c, device=lab.device)
        Q = rotation(lab, "Q", 2 * p)
        if whole:  # the signed permutation by which Q's coordinates can be told apart
            order = lab.permutation("order", 2 * p)
            Q = torch.diag(lab.signs("signs", 2 * p))[order]
        Q[:, 0] *= stretch
        back = torch.linalg.inv(Q)
        U = lab.normal("W", h, 2 * p) / 2, lab.normal("V", p, h) / h**0.5
        plain = trajectory(FLOAT[rule], float_gradient(X, c, y), State(U), steps, every=4)
        start = State((U[0] @ back, U[1]))
        turned = trajectory(FLOAT[rule], float_gradient(Q @ X, c, y), start, steps, every=4)
        apart = [
            deviation(u.theta, (v.theta[0] @ back, v.theta[1]))
            for u, v in zip(turned, plain, strict=True)
        ]
        travelled = deviation(plain[-1].theta, U)
        yield row(p=p, h=h, n=n, rule=rule, deviation=max(apart), travelled=travelled)
        times, floor = [u.t for u in turned], [d + 1e-17 for d in apart]
        labels = {"xlabel": "steps", "ylabel": "relative deviation + 1e-17", "log": "y"}
        yield series(rule, x=times, y=floor, plot=f"deviation, p = {p}", **labels)
        yield told(approx("deviation over the distance travelled", max(apart) / travelled))

    return plane_turns, random_turns


_checks = rotation_checks("gradient descent", lambda m: m.at_most(0 if m.grade > 1 else 1e-10))
gd_rotations = Claim(
    id="mohamadi2024/gd-commutes-with-rotations",
    source=Source(PAPER, "beside Theorem 3.3", "2407.12332"),
    title="Gradient descent commutes with every rotation of the inputs",
    statement=r"Let $Q$ be orthogonal and $U_k=(W_k,V_k)$ the weights after $k$ steps of gradient "
    r"descent on $\{(x_i,y_i)\}$. From $(W_0Q^{\top},V_0)$ on $\{(Qx_i,y_i)\}$ gradient descent "
    r"leads to $(W_kQ^{\top},V_k)$.",
    origin="ours",
    checks=_checks,
    controls=(
        _checks[0].but(sine=Fraction(41, 50)),  # no rotation, though values are kept
        _checks[0].but(rule="Adam"),
        _checks[1].but(stretch=1.01),
        _checks[1].but(rule="Adam"),
    ),
    gap="Exact for turns of two coordinates at p = 2; random rotations in float64.",
)

_checks = rotation_checks("Adam", lambda m: m.at_least(1 if m.grade > 1 else 0.01))
adam_rotations = Claim(
    id="mohamadi2024/adam-feels-rotations",
    source=Source(PAPER, "beside Corollary C.7", "2407.12332"),
    title="Adam does not commute with rotations of the inputs",
    statement=r"There are orthogonal $Q$ for which Adam from $(W_0Q^{\top},V_0)$ on "
    r"$\{(Qx_i,y_i)\}$ does not lead to $(W_kQ^{\top},V_k)$.",
    origin="ours",
    checks=_checks,
    controls=(
        _checks[0].but(rule="gradient descent"),
        _checks[0].but(cosine=0, sine=1),  # a quarter turn permutes coordinates up to sign
        _checks[1].but(rule="gradient descent"),
        _checks[1].but(whole=True),
    ),
    gap="The exact runs take one step, in which Adam's square root is that of the squared gradient "
    "and all numbers are rational. The float64 runs ask for more than a hundredth of the distance "
    "travelled, far above rounding.",
)


# --- Theorem C.2: (1) does not give (2) -----------------------------------------------------------
# A (W, V) = (alpha W, alpha^-2 V) keeps every value of g. Differentiating g(U) = g(A U) gives
# grad g(A U) = A^-T grad g(U), here (dW / alpha, alpha^2 dV); (2) asks for A grad g(U) instead.


def halved(x, y):
    return lambda theta: tuple(d / 2 for d in square_loss_gradient(x, y)(theta))


@check(alpha=st.integers(2, 9), p=st.integers(2, 5), h=st.integers(1, 4))
def scaled_exactly(
    lab, alpha, p, h, power=-2, inverse=True, stretch=1, closed=square_loss_gradient
):
    A = Fraction(1 + stretch * (alpha - 1))
    a, b, c, y = data(lab, p, min(p**3, 16))
    whole = lab.integers("W", 1, 9, h, 2 * p), lab.integers("V", 1, 9, p, h)
    W, V = (fractions(u.cpu()) for u in whole)
    scaled, gradient = (A * W, A**power * V), closed((a, b, c), y)
    at = range(len(c))

    def loss(theta):  # on whole numbers and 8 or 16 inputs: float64 rounds nothing
        return (quadratic(*theta, a, b)[at, c] - lab.real(y).double()).square().mean()

    slopes = gradient_of(loss)(tuple(u.double() for u in whole))
    off = differing(gradient((W, V)), tuple(fractions(d.cpu().numpy()) for d in slopes))
    yield exact("gradient entries that are not torch's", off).equals(0)
    kept = quadratic(W, V, a, b)[at, c] != quadratic(*scaled, a, b)[at, c]
    yield exact("values that change", int(kept.sum())).equals(0)
    (dW, dV), found = gradient((W, V)), gradient(scaled)
    by = (dW / A, dV * A**2) if inverse else (A * dW, A**power * dV)
    yield exact("gradient entries that are not A^-T grad", differing(found, by)).equals(0)
    wrong = differing(found, (A * dW, A**power * dV))
    yield series("entries that break (2)", x=3 * p * h, y=wrong, printed=0, xlabel="parameters")
    yield exact("gradient entries that are not A grad", wrong).at_least(1)
    step = gradient_descent(Fraction(1, 100))
    ends = [step(State(U), gradient(U)).theta for U in ((W, V), scaled)]
    one, other = (quadratic(*U, a, b)[at, c] for U in ends)
    yield exact("predictions that part after a step", int((one != other).sum())).at_least(1)


@check(alpha=st.integers(2, 9), p=st.integers(2, 11), h=st.integers(1, 16))
def scaled_by_autograd(lab, alpha, p, h, power=-2, inverse=True, stretch=1):
    A, lab = float(1 + stretch * (alpha - 1)), replace(lab, dtype="float64")
    W, V = lab.normal("W", h, 2 * p), lab.normal("V", p, h)
    a, b = (lab.integers(k, 0, p, 3 * p) for k in "ab")
    weights, scaled = lab.normal("weights", 3 * p, p), (A * W, A**power * V)

    def probe(U):
        return (weights * quadratic(*U, a, b)).sum()

    apart = deviation((quadratic(*scaled, a, b),), (quadratic(W, V, a, b),))
    yield approx("relative change of the values", apart).at_most(1e-12)
    (dW, dV), found = gradient_of(probe)((W, V)), gradient_of(probe)(scaled)
    by = (dW / A, dV * A**2) if inverse else (A * dW, A**power * dV)
    yield approx("distance to A^-T grad", deviation(found, by)).at_most(1e-12)
    yield approx("distance to A grad", deviation(found, (A * dW, A**power * dV))).at_least(0.1)


forward_symmetry = Claim(
    id="mohamadi2024/forward-symmetry-is-not-enough",
    source=Source(PAPER, "beside Theorem C.2, (1) and (2)", "2407.12332"),
    title="A symmetry of the values need not be one of gradient descent",
    statement=r"$A(W,V)=(\alpha W,\alpha^{-2}V)$ keeps all values, $g(AU;x)=g(U;x)$, so that "
    r"condition (1) of Theorem C.2 holds, but $\nabla g(AU;x)=A^{-\top}\nabla g(U;x)$, which for "
    r"$\alpha\ge 2$ is not $A\nabla g(U;x)$: condition (2) fails, and one step of gradient descent "
    r"from $AU$ and from $U$ gives different predictors. For orthogonal $A$ condition (2) follows.",
    origin="ours",
    checks=(scaled_exactly, scaled_by_autograd),
    controls=(
        scaled_exactly.but(closed=halved),
        *(
            c.but(**change)
            for c in (scaled_exactly, scaled_by_autograd)
            for change in ({"power": -1}, {"inverse": False}, {"stretch": 0})
        ),
    ),
    uses=("mohamadi2024/gradient-equivariance",),
    gap="The last sentence is the chain rule, seen here only through permutations and rotations.",
)
