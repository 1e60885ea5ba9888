"""Training to classify commutes with relabelled symbols (Mohamadi et al. 2024, Proposition 4.2).

Here the network has p logits, f(U; (a, b)) = V (W (e_a, e_b))^2, and the third permutation acts on
labels: D^T = {((s1(a_i), s2(b_i)), s3(c_i))}. Definition 2.2 speaks of relabelled inputs only; for
inputs and outputs together it has to ask that the trained predictor at (s1(a), s2(b)) is, in law,
s3 applied to what training on D gives at (a, b). As for regression, single runs started from
tau(T) U_0 have to stay at tau(T) U_k.
Cost: rational steps, milliseconds each; float64 runs n h operations a step.
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import (
    Relabelling,
    deviation,
    differing,
    inverse,
    random_relabelling,
    relabel,
    relabellings,
)
from grokverify.nets import quadratic
from grokverify.training import (
    State,
    adam,
    gradient_descent,
    gradient_of,
    normalised_descent,
    trajectory,
)

PAPER = "Mohamadi et al., Why Do You Grok?"


def whole_root(v):
    """The square root rounded down to a multiple of 1/1024, entry by entry, exactly."""
    roots = [Fraction(math.isqrt(math.floor(x * 2**20)), 1024) for x in v.ravel()]
    return np.array(roots, dtype=object).reshape(v.shape)


BETAS = Fraction(7, 8), Fraction(63, 64), Fraction(1, 1024)
EXACT = {
    "gradient descent": gradient_descent(Fraction(1, 10)),
    "Adam": adam(Fraction(1, 8), *BETAS, root=whole_root),
}
FLOAT = {
    "gradient descent": gradient_descent(0.5),
    "normalised descent": normalised_descent(0.1),
    "Adam": adam(0.01),
    "AdamW": adam(0.01, decay=0.1),
}


def labels_fixed(T, c):
    return c


def labels_follow(T, c):
    return T(c, c, c)[2]


def columns_inversely(T, theta):
    """The action with W moved by the inverses of sigma1 and sigma2: right for involutions only."""
    return relabel(Relabelling(inverse(T.sigma1), inverse(T.sigma2), T.sigma3), theta)


def unmoved(T, theta):
    return theta


# Cross-entropy to the base two, -log2(2^f_c / sum_k 2^f_k), has df_k = 2^f_k / sum - 1[k = c]: at
# whole weights the logits are whole and the step is rational. (The base only rescales f and L.)


def binary_gradient(a, b, c):
    def gradient(theta):
        W, V = theta
        p, n = len(V), len(c)
        f = quadratic(W, V, a, b)
        odds = np.array([[Fraction(2) ** int(k) for k in row] for row in f], dtype=object)
        d = odds / odds.sum(1)[:, None]
        d[np.arange(n), c] -= 1
        d = d / Fraction(n)
        z = (W[:, a] + W[:, p + b]).T
        slope, dW = 2 * (d @ V) * z, W - W
        np.add.at(dW.T, a, slope)
        np.add.at(dW.T, p + b, slope)
        return dW, d.T @ (z * z)

    return gradient


def elements(lab):
    chosen = relabellings(3)[:: lab.pick(smoke=12, quick=1)]
    parts = [dict(zip(("s1", "s2", "s3"), map(list, T.parts), strict=True)) for T in chosen]
    return [{"rule": rule, **part} for rule in EXACT for part in parts]


@check(elements)
def one_exact_step(lab, rule, s1, s2, s3, act=relabel, relabelled=labels_follow):
    T, (p, h) = Relabelling(s1, s2, s3), (3, 2)
    a, b = np.unravel_index(lab.subset("D", p * p, 6).cpu().numpy(), (p, p))
    c = (a + b) % p
    whole = lab.integers("W", -2, 3, h, 2 * p), lab.integers("V", -2, 3, p, h)
    U = tuple(np.vectorize(Fraction, otypes=[object])(u.cpu()) for u in whole)
    a_, b_, _ = T(a, b, c)
    plain = trajectory(EXACT[rule], binary_gradient(a, b, c), State(U), 1)[-1]
    turned = trajectory(
        EXACT[rule], binary_gradient(a_, b_, relabelled(T, c)), State(act(T, U)), 1
    )[-1]
    yield exact("weights that differ", differing(turned.theta, act(T, plain.theta))).equals(0)
    x, y = (i.ravel() for i in np.indices((p, p)))
    before, after = quadratic(*plain.theta, x, y), quadratic(*turned.theta, *T(x, y, y)[:2])
    wrong = differing((after[:, list(T.sigma3)],), (before,))
    yield exact("logits that differ", wrong).equals(0)


# Natural cross-entropy by automatic differentiation on the lab's device, at h = 4 p and
# n = 2 p^(5/3), the sizes of the paper's figure 4.


@check(lambda lab: [{"p": p} for p in lab.pick(smoke=(5,), quick=(5, 11), standard=(5, 23, 47))])
def float_runs(lab, p, act=relabel, relabelled=labels_follow, start=None, steps=40):
    drawn = (random_relabelling(lab.at(k), p) for k in itertools.count())
    T = next(T for T in drawn if T.sigma1 != inverse(T.sigma1) and T.sigma3 != tuple(range(p)))
    h, n = 4 * p, min(p * p, round(2 * p ** (5 / 3)))
    chosen = lab.subset("D", p * p, n)
    a, b = chosen // p, chosen % p
    c = (a + b) % p
    a_, b_, _ = T(a, b, c)
    U = lab.normal("W", h, 2 * p).double() / 2, lab.normal("V", p, h).double() / h**0.5

    def gradient(a, b, c):
        entropy = torch.nn.functional.cross_entropy
        return gradient_of(lambda theta: entropy(quadratic(*theta, a, b), c))

    for rule, update in FLOAT.items():
        plain = trajectory(update, gradient(a, b, c), State(U), steps, every=4)
        there = gradient(a_, b_, relabelled(T, c))
        moved = State((start or act)(T, U))
        turned = trajectory(update, there, moved, steps, every=4)
        pairs = list(zip(turned, plain, strict=True))
        apart = [deviation(u.theta, act(T, v.theta)) for u, v in pairs]
        travelled = deviation(plain[-1].theta, U)
        yield row(p=p, h=h, n=n, rule=rule, deviation=max(apart), travelled=travelled)
        labels = {"xlabel": "steps", "ylabel": "relative deviation + 1e-17", "log": "y"}
        times, floor = [u.t for u in turned], [d + 1e-17 for d in apart]
        yield series(rule, x=times, y=floor, plot=f"deviation, p = {p}", **labels)
        yield approx(f"{rule}: relative deviation", max(apart)).at_most(1e-12)


classification_equivariance = Claim(
    id="mohamadi2024/classification-equivariance",
    source=Source(PAPER, "Proposition 4.2, Corollary C.7", "2407.12332"),
    title="Training to classify is equivariant under relabelled inputs and outputs",
    statement=r"Let $U_k$ be the weights after $k$ steps of gradient descent or Adam on the "
    r"cross-entropy of $\{((a_i,b_i),c_i)\}$ from $U_0$. From $\tau(T)U_0$ on "
    r"$\{((\sigma_1(a_i),\sigma_2(b_i)),\sigma_3(c_i))\}$ the same steps lead to $\tau(T)U_k$. "
    r"Hence with iid initial weights the trained predictors satisfy "
    r"$f_{\sigma_3(c)}(\sigma_1(a),\sigma_2(b))=f_c(a,b)$ in law.",
    hypotheses=(
        "the initial weights are independent, alike within W and within V",
        "the update treats all coordinates alike",
    ),
    checks=(one_exact_step, float_runs),
    controls=(
        one_exact_step.but(act=columns_inversely),
        one_exact_step.but(relabelled=labels_fixed),
        float_runs.but(act=columns_inversely),
        float_runs.but(relabelled=labels_fixed),
        float_runs.but(start=unmoved),
    ),
    uses=("mohamadi2024/gd-equivariance", "mohamadi2024/initialisation-law"),
    gap="Definition 2.2 read for inputs and outputs together. One exact step, to the base two and "
    "with Adam's root rounded down; forty steps of natural cross-entropy in float64.",
)
