"""How the eNTK follows its symmetries (Mohamadi et al. 2024, beside Theorems 2.4 and 3.4).

Theorem 2.4 asks of a kernel that K(Tx, Tx') = K(x, x'). The eNTK of one network does not satisfy
it; what holds is K_(tau(T) theta)(Tx, Tx') = K_theta(x, x') with the action tau of relabellings on
the weights. So for exchangeable weights the *law* of the kernel is invariant, and that is what the
lower bounds need.

Cost: all 3^4 2^2 weights of a unit at p = 2; integer kernels of p^3 rows.
"""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import Relabelling, inverse, random_relabelling, relabel, relabellings
from grokverify.kernels import entk, inputs, jacobian, tangent_gram
from grokverify.nets import quadratic

PAPER = "Mohamadi et al., Why Do You Grok?"


def columns_inversely(T, theta):
    """The action with W moved by the inverses of sigma1, sigma2: right for involutions only."""
    return relabel(Relabelling(inverse(T.sigma1), inverse(T.sigma2), T.sigma3), theta)


def second_layer_left(T, theta):
    """The action on W alone."""
    return relabel(T, theta)[0], theta[1]


def image_numbers(T, p):
    a, b, c = T(*inputs(p, np.arange(p**3)))
    return a * p**2 + b * p + c


# --- K_(tau(T) theta)(Tx, Tx') = K_theta(x, x'), and K_theta(Tx, Tx') is something else -----------


def generic(lab, p, h):
    return lab.integers("W", 1, 50, h, 2 * p), lab.integers("V", 1, 50, p, h)


def constant(lab, p, h):
    """All weights of a layer alike: such a network is its own image."""
    return generic(lab, p, h)[0] * 0 + 2, generic(lab, p, h)[1] * 0 + 3


@check(lambda lab: [dict(p=p, h=h) for p, h in lab.pick(
    smoke=((2, 1), (3, 2)), quick=((2, 1), (3, 2), (4, 5), (5, 3)))])  # fmt: skip
def exactly(lab, p, h, act=relabel, weights=generic):
    theta = weights(lab, p, h)
    K, numbers = entk(*theta, inputs(p, np.arange(p**3))).cpu().numpy(), np.arange(p**3)
    group = relabellings(p) if p < 4 else [random_relabelling(lab.at(k), p) for k in range(40)]
    wrong = alike = 0
    for T in group:
        to = image_numbers(T, p)
        moved = entk(*act(T, theta), inputs(p, numbers)).cpu().numpy()
        wrong += bool((moved[np.ix_(to, to)] != K).any())
        alike += bool((K[np.ix_(to, to)] == K).all())
    yield row(p=p, h=h, elements=len(group), fixing_K=alike)
    yield series(
        "share of relabellings that fix K_theta", x=p, y=alike / len(group), printed=1, xlabel="p",
        beside="Theorem 2.4",
    )  # fmt: skip
    yield exact("relabellings for which K_tau(theta) is another kernel", wrong).equals(0)
    yield exact("relabellings that change K_theta", len(group) - alike).at_least(1)


@check(p=st.integers(3, 5), h=st.integers(1, 8))
def by_derivatives(lab, p, h, act=relabel, weights=None):
    # torch's own gradients, Gaussian weights, random inputs; a relabelling that is no involution.
    drawn = (random_relabelling(lab.at(k), p) for k in itertools.count())
    T = next(T for T in drawn if T.sigma1 != inverse(T.sigma1) and T.sigma3 != inverse(T.sigma3))
    theta = lab.normal("W", h, 2 * p).double(), lab.normal("V", p, h).double()
    if weights == "constant":
        theta = tuple(torch.ones_like(u) for u in theta)
    x = tuple(lab.integers(name, 0, p, 12) for name in "abc")

    def gram(U, x):
        a, b, c = x
        at = torch.arange(12, device=a.device)
        outputs = {"W": U[0], "V": U[1]}
        return tangent_gram(lambda t: quadratic(t["W"], t["V"], a, b)[at, c], outputs)

    K = gram(theta, x)
    size = K.abs().max()
    apart = (gram(act(T, theta), T(*x)) - K).abs().max() / size
    change = (gram(theta, T(*x)) - K).abs().max() / size
    yield approx("relative change with the weights moved", apart, 1e-13).at_most(1e-10)
    yield approx("relative change without", change, 1e-13).at_least(1e-6)


# The law itself: all weights of one unit on three values, odds in whole numbers.


def alike(p):
    return [(3, 2, 1)] * (2 * p)


def first_apart(p):
    return [(2, 3, 1)] + [(3, 2, 1)] * (2 * p - 1)


@check({"p": 2})
def law_of_the_kernel(lab, p, odds=alike):
    law, x = Counter(), inputs(p, np.arange(p**3))
    values = list(itertools.product(range(3), repeat=2 * p))
    for w in values:
        for v in itertools.product((1, 2), repeat=p):
            G = jacobian([[(-1, 0, 2)[i] for i in w]], [[u] for u in v], x)
            chance = int(np.prod([odds(p)[i][k] for i, k in enumerate(w)]))
            law[(G @ G.T).astype(np.int64).tobytes()] += chance
    whole, worst = sum(law.values()), 0
    n = p**3
    for T in relabellings(p):
        to, after = image_numbers(T, p), Counter()
        for key, chance in law.items():
            K = np.frombuffer(key, dtype=np.int64).reshape(n, n)
            after[np.ascontiguousarray(K[np.ix_(to, to)]).tobytes()] += chance
        worst = max(worst, sum(abs(after[k] - law[k]) for k in {*law, *after}))
    yield row(p=p, kernels=len(law), outcomes=whole)
    yield exact("largest distance of the laws", Fraction(worst, 2 * whole)).equals(0)


kernel_follows = Claim(
    id="mohamadi2024/entk-invariant-in-law",
    source=Source(PAPER, "beside Theorems 2.4 and 3.4", "2407.12332"),
    origin="ours",
    title="The eNTK is invariant in law, not point by point",
    statement=r"$K_{\tau(T)\theta}(Tx,Tx')=K_\theta(x,x')$ for all $T\in\mathcal G_{\mathcal X}$, "
    r"so that for exchangeable weights in each layer $K_\theta(T\cdot,T\cdot)$ has the law of "
    r"$K_\theta$; but for a given $\theta$ in general $K_\theta(Tx,Tx')\ne K_\theta(x,x')$.",
    hypotheses=("for the law: independent entries, alike within W and within V",),
    checks=(exactly, by_derivatives, law_of_the_kernel),
    controls=(
        exactly.but(act=columns_inversely),
        exactly.but(act=second_layer_left),
        exactly.but(weights=constant),
        by_derivatives.but(act=columns_inversely),
        by_derivatives.but(weights="constant"),
        law_of_the_kernel.but(odds=first_apart),
    ),
    uses=("mohamadi2024/network-invariance", "mohamadi2024/initialisation-law"),
    gap="The law is enumerated for one unit at p = 2. Theorem 2.4 speaks of one fixed kernel; "
    "that an invariant law makes an equivariant randomised method is a short argument, not "
    "checked.",
)
