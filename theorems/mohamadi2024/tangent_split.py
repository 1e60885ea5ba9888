"""The eNTK and its split into first and second layer (Mohamadi et al. 2024, (B.1), (B.2)).

g(theta; x) = sum_k V_ck (Q_ka + R_kb)^2 at x = (a, b, c). Summed over all weights,

    K(x, x') = sum over V_c''k, Q_ka'', R_kb'' of dg(x) dg(x')                              (B.1)
             = J(x, x') + sum_k L_k(x, x'),
    L_k = 1[c=c'] (Q_ka + R_kb)^2 (Q_ka' + R_kb')^2,                                        (B.2)
    J   = sum_k 4 V_ck V_c'k (Q_ka + R_kb)(Q_ka' + R_kb') (1[a=a'] + 1[b=b']),

J from the derivatives by Q and R as Proposition B.6 has them, positive semi-definite for every V.
Cost: symbolic derivatives of one or two units at p = 2; float64 kernels of a few dozen inputs.
"""

import numpy as np
import sympy
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.kernels import entk, inputs, jacobian, tangent_gram
from grokverify.linalg.rational import is_semidefinite
from grokverify.nets import quadratic
from grokverify.symbolic import residue

PAPER = "Mohamadi et al., Why Do You Grok?"


def by_c(x, y):
    """Where two inputs share their derivatives by V."""
    return int(x[2] == y[2])


def always(x, y):
    return 1


def first_share(x, y):
    return int(x[0] == y[0]) + int(x[1] == y[1])


def both_at_once(x, y):
    return int(x[0] == y[0] and x[1] == y[1])


def L(k, x, y, W, V, second=by_c):
    p = len(V)
    z, z_ = (W[k, u[0]] + W[k, p + u[1]] for u in (x, y))
    return z**2 * z_**2 * second(x, y)


def J(x, y, W, V, factor=4, first=first_share):
    h, p = len(W), len(V)
    total = 0
    for k in range(h):
        z, z_ = (W[k, u[0]] + W[k, p + u[1]] for u in (x, y))
        total = total + factor * V[x[2], k] * V[y[2], k] * z * z_ * first(x, y)
    return total


@check(lambda lab: [dict(p=p, h=h) for p, h in lab.pick(smoke=((2, 1),), quick=((2, 1), (2, 2)))])
def in_symbols(lab, p, h, second=by_c, first=first_share, factor=4):
    """Every pair of inputs, every weight a symbol: (B.1) by symbolic differentiation."""
    W = np.array(sympy.symbols(f"w:{h * 2 * p}"), dtype=object).reshape(h, 2 * p)
    V = np.array(sympy.symbols(f"v:{p * h}"), dtype=object).reshape(p, h)
    x = list(np.ndindex(p, p, p))
    a, b, c = (np.array([u[i] for u in x]) for i in range(3))
    g = quadratic(W, V, a, b)[np.arange(len(x)), c]
    slopes = [[sympy.diff(f, w) for w in (*V.ravel(), *W.ravel())] for f in g]
    off = []
    for i in range(len(x)):
        for j in range(i + 1):
            K = sum(s * t for s, t in zip(slopes[i], slopes[j], strict=True) if s != 0 != t)
            parts = sum(L(k, x[i], x[j], W, V, second) for k in range(h))
            off.append(K - parts - J(x[i], x[j], W, V, factor, first))
    yield residue("terms between (B.1) and (B.2)", sympy.Matrix(off)).equals(0)


@check(p=st.integers(2, 7), h=st.integers(1, 30), n=st.integers(1, 40))
def closed_form(lab, p, h, n, shift=0.0):
    """The library's closed form of both parts against torch's derivatives, in float64."""
    W, V = lab.normal("W", h, 2 * p).double(), lab.normal("V", p, h).double()
    a, b, c = x = tuple(lab.integers(name, 0, p, n) for name in "abc")
    at = torch.arange(n, device=W.device)

    def gram(**params):
        return tangent_gram(lambda t: quadratic(t.get("W", W), t.get("V", V), a, b)[at, c], params)

    whole, second, first = gram(W=W, V=V), gram(V=V), gram(W=W)
    size = whole.abs().max()
    K, at_zero = entk(W, V, x), entk(W, 0 * V, x)
    off = [K - whole, at_zero - second, K - at_zero - first + shift * size]
    worst = max(float(d.abs().max() / size) for d in off)
    yield approx("largest relative difference of the three parts", worst, 1e-14).at_most(1e-12)
    least = torch.linalg.eigvalsh(first)[0] / size
    yield row(p=p, h=h, n=n, difference=worst, least_eigenvalue_of_J=float(least))
    yield series(
        "relative difference of the closed form from torch's derivatives", x=n, y=worst + 1e-17,
        xlabel="n", log="y",
    )  # fmt: skip


@check(lambda lab: [dict(p=p, h=h) for p, h in lab.pick(
    smoke=((2, 1), (2, 3)), quick=((2, 1), (2, 3), (3, 2)))])  # fmt: skip
def first_part_is_definite(lab, p, h, sign=1):
    """J >= 0 at whole weights, exactly, where W alone may change sign."""
    x, indefinite = inputs(p, np.arange(p**3)), 0
    for trial in range(5):
        here = lab.at(trial)
        W, V = here.integers("W", -9, 10, h, 2 * p), here.integers("V", -9, 10, p, h)
        G = jacobian(W, V, x)[:, p * h :]
        indefinite += not is_semidefinite(G[:, : p * h] @ G[:, : p * h].T
                                          + sign * G[:, p * h :] @ G[:, p * h :].T)  # fmt: skip
    yield exact("first-layer parts that are indefinite", indefinite).equals(0)


tangent_split = Claim(
    id="mohamadi2024/tangent-kernel-split",
    source=Source(PAPER, "(B.1), (B.2), proof of Proposition B.6", "2407.12332"),
    title="The eNTK as first layer plus second layer",
    statement=r"$K_\theta=J_\theta+\sum_k L_{\theta_k}$ with $L_{\theta_k}(x,x')=1[c=c']"
    r"(Q_{ka}+R_{kb})^2(Q_{ka'}+R_{kb'})^2$ and $J_\theta(x,x')=\sum_k 4V_{ck}V_{c'k}"
    r"(Q_{ka}+R_{kb})(Q_{ka'}+R_{kb'})(1[a=a']+1[b=b'])$, which is positive semi-definite.",
    checks=(
        in_symbols.part("the split"),
        closed_form.part("the split"),
        first_part_is_definite.part("J"),
    ),
    controls=(
        in_symbols.but(second=always),
        in_symbols.but(first=both_at_once),
        in_symbols.but(factor=2),
        closed_form.but(shift=1e-11),
        first_part_is_definite.but(sign=-1),
    ),
    gap="In symbols at p = 2 with one and two units; an entry meets at most two values of each "
    "coordinate. In the text we read (B.2) lacks the brackets that put both sums of J under the "
    "sum over k.",
)
