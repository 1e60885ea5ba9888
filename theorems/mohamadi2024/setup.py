"""The task and the network of Mohamadi et al. 2024, Section 2.

Inputs (a, b, c) in Z_p^3, labels y = p 1[a + b = c mod p] (1.1), the network
f(theta; (e_a, e_b)) = V (W (e_a, e_b))^2 (2.1) and g = e_c' f. Footnote 2 gives the zero predictor
the population square loss p, the text below (2.2) calls f 3-homogeneous.
Cost: p^3 integers a size; identities in a dozen symbols.
"""

from fractions import Fraction

import numpy as np
import sympy
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import differing
from grokverify.nets import quadratic
from grokverify.symbolic import residue
from grokverify.training import gradient_of
from grokverify.worked import given

PAPER = "Mohamadi et al., Why Do You Grok?"


# --- (2.1), and f(t theta) = t^3 f(theta) --------------------------------------------------------


def printed_network(W, V, a, b, bias=0):
    """V (W (e_a, e_b))^2 with the one-hot vectors written out, for one pair (a, b)."""
    p = V.shape[0]
    x = np.zeros(2 * p, dtype=int)
    x[a] = x[p + b] = 1
    return V @ (W @ x + bias) ** 2


@check(lambda lab: [dict(p=p, h=h) for p, h in lab.pick(smoke=((2, 1),), quick=((2, 1), (3, 2)))])
def in_symbols(lab, p, h, degree=3, bias=0, picked=quadratic):
    # W, V and t are symbols: both identities hold for every network of this size.
    W = np.array(sympy.symbols(f"w:{h * 2 * p}"), dtype=object).reshape(h, 2 * p)
    V = np.array(sympy.symbols(f"v:{p * h}"), dtype=object).reshape(p, h)
    t = sympy.Symbol("t")
    scaled, columns = [], []
    for a, b in np.ndindex(p, p):
        f = printed_network(W, V, a, b, bias)
        scaled += list(printed_network(t * W, t * V, a, b, bias) - t**degree * f)
        columns += list(picked(W, V, np.array([a]), np.array([b]))[0] - f)
    yield residue("terms of f(t theta) - t^3 f(theta)", sympy.Matrix(scaled)).equals(0)
    yield residue("terms between (2.1) and its columns", sympy.Matrix(columns)).equals(0)


def halves_swapped(W, V, a, b):
    return quadratic(W, V, b, a)


@check(p=st.integers(2, 13), h=st.integers(1, 40), t=st.floats(0.5, 2))
def at_random(lab, p, h, t, degree=3, bias=0.0):
    # Euler's relation <theta, grad f> = 3 f, by torch's derivative of random mixtures of outputs.
    theta = lab.normal("W", h, 2 * p).double(), lab.normal("V", p, h).double()
    a, b = (lab.integers(name, 0, p, 4 * p) for name in "ab")
    mix = lab.normal("mix", 4 * p, p).double()

    def output(U):
        z = U[0][:, a] + U[0][:, p + b] + bias
        return (mix * (U[1] @ (z * z)).T).sum()

    value, slopes = output(theta), gradient_of(output)(theta)
    size = sum((abs(u) * abs(d)).sum() for u, d in zip(theta, slopes, strict=True))
    euler = sum((u * d).sum() for u, d in zip(theta, slopes, strict=True)) - degree * value
    grown = output(tuple(t * u for u in theta))
    yield approx("defect of Euler's relation", abs(euler) / size, 1e-13).at_most(1e-10)
    yield approx("defect of f(t theta)", abs(grown - t**degree * value) / size, 1e-13).at_most(1e-9)
    yield series(
        "f(t theta) / f(theta)", x=t, y=grown / value, printed=t**3, xlabel="t",
    )  # fmt: skip


homogeneous = Claim(
    id="mohamadi2024/network-homogeneity",
    source=Source(PAPER, "(2.1) and the text below (2.2)", "2407.12332"),
    title="The network is 3-homogeneous",
    statement=r"$f(t\theta;(e_a,e_b))=t^3 f(\theta;(e_a,e_b))$ for all $t$, $\theta=(W,V)$, $a$, "
    r"$b$, where $f(\theta;(e_a,e_b))=V(W(e_a,e_b))^{\odot 2}$; and $W$ acts by adding its columns "
    r"$a$ and $p+b$.",
    hypotheses=("no biases",),
    checks=(in_symbols, at_random),
    controls=(
        in_symbols.but(degree=2),
        in_symbols.but(bias=1),
        in_symbols.but(picked=halves_swapped),
        at_random.but(degree=4),
        at_random.but(bias=0.01),
    ),
    gap="In symbols at p = 2 and 3; that nothing depends on p beyond that is plain, not checked.",
)


# --- footnote 2:  the zero predictor has population square loss p -------------------------------


def modulo(a, b, c, p):
    return (a + b - c) % p == 0


def without_wrapping(a, b, c, p):
    """a + b = c as integers from 0 to p - 1."""
    return a + b == c


def the_scale(p):
    return p


def one_less(p):
    return p - 1


def all_labels(p, equation, scale):
    a, b, c = np.indices((p, p, p))
    return scale(p) * equation(a, b, c, p)


SIZES = {"smoke": (2, 3, 5), "quick": (2, 3, 4, 5, 7, 11, 13, 23), "standard": (31, 47, 97)}


@check(lambda lab: [dict(p=p) for p in lab.pick(**SIZES)])
def null_by_counting(lab, p, equation=modulo, scale=the_scale):
    y = all_labels(p, equation, scale)
    loss = (given(y) ** 2).sum() / p**3
    yield exact("inputs with a + b = c", differing((y,), (0 * y,)) - p**2).equals(0)
    yield exact("loss of the zero predictor, less p", loss - p).equals(0)
    yield row(p=p, inputs=p**3, positive=int((y > 0).sum()), loss=loss)
    yield series("loss of the zero predictor", x=p, y=loss, printed=p, xlabel="p", log="xy")


# The same from the network at theta = 0, on the device, with labels from the table of sums.


@check(lambda lab: [dict(p=p) for p in lab.pick(**SIZES)])
def null_by_network(lab, p, scale=the_scale, output=0.0):
    one = torch.arange(p, device=lab.device)
    W, V = lab.real(np.zeros((2, 2 * p))), lab.real(np.zeros((p, 2)))
    a, b = one.repeat_interleave(p), one.repeat(p)
    target = torch.nn.functional.one_hot((a + b) % p, p) * scale(p)
    loss = (quadratic(W, V, a, b) + output - target).double().square().mean()
    yield approx("relative error of p", abs(loss / p - 1), 1e-12).at_most(1e-9)


null_loss = Claim(
    id="mohamadi2024/null-loss",
    source=Source(PAPER, "(1.1), (2.2) and footnote 2", "2407.12332"),
    title="The zero predictor has population loss p",
    statement=r"Of the $p^3$ inputs $(a,b,c)$, $p^2$ have $a+b\equiv c \pmod p$. With "
    r"$y=p\,1[a+b\equiv c]$ the predictor $\Psi_0=0$, and the network at $\theta=0$, have "
    r"population square loss $p$.",
    checks=(null_by_counting, null_by_network),
    controls=(
        null_by_counting.but(equation=without_wrapping),
        null_by_counting.but(scale=one_less),
        null_by_network.but(scale=one_less),
        null_by_network.but(output=0.01),
    ),
    gap="Counted for the listed p. The identity p^2 p^2 / p^3 = p holds for every p.",
)


# --- the best constant predictor is 1, with loss p - 1 -------------------------------------------


@check(lambda lab: [dict(p=p) for p in lab.pick(**SIZES)])
def best_constant(lab, p, best=Fraction(1), equation=modulo, scale=the_scale):
    # L(m) is a parabola; three of its values fix where it is least and how low it goes there.
    y = all_labels(p, equation, scale)

    def loss(m):
        return sum(v**2 for v in given(m - y).ravel()) / p**3

    minus, zero, plus = loss(-1), loss(0), loss(1)
    curvature, slope = (plus + minus) / 2 - zero, (plus - minus) / 2
    least = -slope / (2 * curvature)
    lowest = zero - slope**2 / (4 * curvature)
    yield exact("best constant", least).equals(best)
    yield exact("its loss, less p - 1", lowest - (p - 1)).equals(0)
    yield series(
        "loss of the best constant, beside that of zero", x=p, y=lowest, printed=p, xlabel="p",
        log="xy", beside="zero predictor",
    )  # fmt: skip


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 5), quick=(2, 3, 5, 13, 47))])
def by_least_squares(lab, p, best=1.0, steps=60):
    # Gradient descent on the constant itself, torch's derivative: m' = m - (1/4) dL/dm.
    one = torch.arange(p, device=lab.device)
    y = p * ((one[:, None, None] + one[:, None] - one) % p == 0).double()
    m = torch.zeros((), dtype=torch.float64, device=lab.device)
    for _ in range(steps):
        slope = torch.func.grad(lambda m: (m - y).square().mean())(m)
        m = m - slope / 4
    yield approx("distance of the constant from 1", abs(m - best), 1e-12).at_most(1e-9)
    loss = (m - y).square().mean()
    yield approx("relative error of p - 1", abs(loss / (p - 1) - best), 1e-12).at_most(1e-9)


best_constant_loss = Claim(
    id="mohamadi2024/best-constant",
    source=Source(PAPER, "beside footnote 2", "2407.12332"),
    origin="ours",
    title="The best constant predictor is 1, with loss p - 1",
    statement=r"Among constant predictors the population square loss is least at $1$, where it is "
    r"$p-1$: one less than the zero predictor of footnote 2, which is the paper's yardstick.",
    checks=(best_constant, by_least_squares),
    controls=(
        best_constant.but(best=Fraction(99, 100)),
        best_constant.but(equation=without_wrapping),
        best_constant.but(scale=one_less),
        by_least_squares.but(best=1.001),
        by_least_squares.but(steps=5),
    ),
    uses=("mohamadi2024/null-loss",),
    gap="Counted for the listed p; that the formulas continue is plain algebra, not checked.",
)
