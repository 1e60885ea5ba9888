"""When condition (2) of Theorem C.2 follows from condition (1) (Mohamadi et al. 2024, Appendix C).

For a linear action A on the weights U and T on the inputs the conditions are

    (1)  g(U; x) = g(A U; T x)          (2)  A grad g(U; x) = grad g(A U; T x).

The chain rule turns (1) into grad g(A U; T x) = A^-T grad g(U; x). So, given (1), condition (2)
holds if and only if A' A v = v on the span of all gradients. For the quadratic network that is not
the whole space: nothing changes along the shifts n_k = (Q_k + 1, R_k - 1) of a neuron, and it is
their orthogonal complement, of h (3p - 1) dimensions. So (2) holds for every orthogonal A, but also
for one that stretches the shifts alone.
Linear symmetries of the network, for a neuron k: the scaling (alpha W_k, alpha^-2 V_k), adding to
U_k a multiple of n_k by any linear function of U, exchanges of neurons, and relabellings.
Cost: a few dozen rational matrices of 3ph <= 18 rows a case.
"""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import random_relabelling, relabel
from grokverify.kernels import inputs, jacobian
from grokverify.linalg.exact import rank_exact
from grokverify.linalg.rational import rational
from grokverify.nets import quadratic
from grokverify.training import gradient_of

PAPER = "Mohamadi et al., Why Do You Grok?"
SCALE = 64  # three stretches divide V by 4^3: actions and weights V in multiples keep whole
STEPS = ("relabel", "exchange", "flip", "stretch", "shear", "drift")


# --- weights as vectors (V, Q, R), each row by row: the order of the library's gradients ----------


def flat(W, V):
    p = V.shape[0]
    return np.concatenate([V.ravel(), W[:, :p].ravel(), W[:, p:].ravel()])


def unflat(U, p, h):
    V, Q, R = np.split(U, [p * h, 2 * p * h])
    return np.concatenate([Q.reshape(h, p), R.reshape(h, p)], axis=1), V.reshape(p, h)


def step(kind, W, V, T, power=-2):
    """One linear symmetry, acting on the first neuron where it is about one neuron."""
    W, V = W.copy(), V.copy()
    p = V.shape[0]
    if kind == "relabel":
        W, V = relabel(T, (W, V))
    elif kind == "exchange":
        W, V = W[::-1], V[:, ::-1]
    elif kind in ("flip", "stretch"):
        alpha = Fraction(-1 if kind == "flip" else 2)
        W[0], V[:, 0] = alpha * W[0], alpha**power * V[:, 0]
    else:
        # along n_1, by W_a + R_b of the first input or, for the drift, by the share of n_1 itself
        shift = W[0, 0] + W[0, p] if kind == "shear" else W[0, :p].sum() - W[0, p:].sum()
        W[0, :p], W[0, p:] = W[0, :p] + shift, W[0, p:] - shift
    return W, V


def matrix(word, T, p, h, power):
    """SCALE times the steps of a word one after the other, in integers."""
    columns = []
    for unit in rational(np.eye(3 * p * h, dtype=int)):
        W, V = unflat(unit, p, h)
        for kind in word:
            W, V = step(kind, W, V, T, power)
        columns.append(flat(W, V))
    return whole(SCALE * np.array(columns, dtype=object).T)


def whole(numbers):
    """Fractions as the integers that they are."""
    if any(Fraction(v).denominator != 1 for v in numbers.ravel()):
        raise ValueError("SCALE is too small for a word of this length: an entry is not whole")
    return np.vectorize(int, otypes=[object])(numbers)


def gradients(U, x, p, h):
    return jacobian(*unflat(U, p, h), x)


# --- criteria -------------------------------------------------------------------------------------


def defect(A):
    """SCALE^2 (A' A - I)"""
    return A.T @ A - SCALE**2 * np.eye(len(A), dtype=int)


def orthogonal(A, h):
    return not defect(A).any()


def orthogonal_off_shifts(A, h):
    """A' A v = v for all v in the complement of the h shifts: here on their projections."""
    p = len(A) // (3 * h)
    complement = (2 * p * np.eye(len(A), dtype=int)).astype(object)
    for k in range(h):
        n = flat(
            np.eye(h, dtype=int)[k][:, None] * ([1] * p + [-1] * p), np.zeros((p, h), dtype=int)
        )
        complement = complement - np.outer(n, n)
    return not (defect(A) @ complement).any()


def permutes(A, h):
    """Permutations without signs."""
    return orthogonal(A, h) and bool((A >= 0).all())


def always(A, h):
    return True


@check(lambda lab: [dict(p=p, words=n) for p, n in lab.pick(
    smoke=((2, 30),), quick=((2, 60), (3, 15)), standard=((2, 200), (3, 60)))])  # fmt: skip
def words(lab, p, words, rule=orthogonal_off_shifts, power=-2, networks=3):
    # Products of up to three steps; V in multiples of SCALE.
    h, x, numbers = 2, inputs(p, np.arange(p**3)), np.arange(p**3)
    weights = []
    for k in range(networks):
        W, V = lab.at(k).integers("W", -9, 10, h, 2 * p), lab.at(k).integers("V", 1, 9, p, h)
        weights.append(flat(W.cpu().numpy().astype(object), SCALE * V.cpu().numpy().astype(object)))
    slopes = [gradients(U, x, p, h) for U in weights]
    moved = wrong = obeyed = 0
    for k in range(words):
        here = lab.at(["word", k])
        length = int(here.integers("length", 1, 4))
        word = [STEPS[int(i)] for i in here.integers("word", 0, 6, length)]
        T = random_relabelling(here, p)
        A = matrix(word, T, p, h, power)
        for _ in range(word.count("relabel") - 1):
            T = T.after(random_relabelling(here, p))
        to = numbers
        if "relabel" in word:
            a, b, c = T(*x)
            to = a * p**2 + b * p + c
        second = True
        for U, G in zip(weights, slopes, strict=True):
            image = A @ U // SCALE
            values, after = (quadratic(*unflat(u, p, h), *x[:2])[numbers, x[2]] for u in (U, image))
            moved += bool((values != after[to]).any())
            if second:
                second = bool((A @ G.T == SCALE * gradients(image, x, p, h)[to].T).all())
        obeyed += second
        wrong += second != rule(A, h)
    yield row(p=p, h=h, words=words, obey_2=obeyed)
    yield series(
        "words that obey (2), beside all, which obey (1)", x=p, y=obeyed, printed=words, xlabel="p",
        beside="obey (1)",
    )  # fmt: skip
    yield exact("networks whose values change", moved).equals(0)
    yield exact("words told wrongly", wrong).equals(0)
    spanned = rank_exact(np.concatenate(slopes))
    yield exact("dimension of the span, less h (3p - 1)", spanned - h * (3 * p - 1)).equals(0)


# The same by torch's derivatives at larger sizes: relabelled, reordered and with signs turned, all
# of it orthogonal; then stretched along all shifts, or all neurons scaled, by any amount.


@check(p=st.integers(2, 9), h=st.integers(2, 12), by=st.floats(1.5, 3))
def by_autograd(lab, p, h, by, power=-2.0, amount=1.0, plain=0.0, halves=1.0):
    W, V = lab.normal("W", h, 2 * p).double(), lab.normal("V", p, h).double()
    order, signs = lab.permutation("order", h), lab.signs("signs", h, 1).double()
    shifts = torch.cat([W.new_ones(p), -halves * W.new_ones(p)]) / p**0.5
    T = random_relabelling(lab, p)
    x = tuple(lab.integers(name, 0, p, 3 * p) for name in "abc")
    mix = lab.normal("mix", 3 * p).double()

    def turned(W, V, scale=1.0, drift=0.0):
        W = W + drift * (W @ shifts)[:, None] * shifts
        return relabel(T, (scale * signs * W[order], scale**power * V[:, order]))

    def slope(x):
        a, b, c = x
        at = torch.arange(3 * p, device=W.device)
        return gradient_of(lambda U: (mix * quadratic(*U, a, b)[at, c]).sum())

    before = slope(x)((W, V))

    def defect(name, **how):
        after, wanted = slope(T(*x))(turned(W, V, **how)), turned(*before, **how)
        apart = sum((u - v).square().sum() for u, v in zip(after, wanted, strict=True))
        size = sum(v.square().sum() for v in wanted)
        return approx(f"defect of (2), {name}", (apart / size).sqrt(), 1e-13)

    yield defect("orthogonal A", scale=1 + plain).at_most(1e-11)
    yield defect("A stretches the shifts", drift=by).at_most(1e-11)
    yield defect("A scales the neurons", scale=1 + (by - 1) * amount).at_least(0.1)


gradient_condition = Claim(
    id="mohamadi2024/gradient-condition",
    source=Source(PAPER, "beside Theorem C.2, (1) and (2)", "2407.12332"),
    origin="ours",
    title="When condition (2) of Theorem C.2 follows from (1)",
    statement=r"Let $A$ be linear and invertible with $g(U;x)=g(AU;Tx)$ for all $U$ and $x$. Then "
    r"$A\nabla g(U;x)=\nabla g(AU;Tx)$ for all $U$ and $x$ if and only if $A^{\top}Av=v$ for all "
    r"$v$ orthogonal to the $h$ shifts $(Q_k+t,R_k-t)$; these $v$ are the span of all gradients, "
    r"of $h(3p-1)$ dimensions. Orthogonal $A$ suffice, but need not be.",
    hypotheses=("the network of (2.1)", "A is linear and invertible"),
    checks=(words, by_autograd),
    controls=(
        words.but(rule=orthogonal),
        words.but(rule=permutes),
        words.but(rule=always),
        words.but(power=-1),
        words.but(networks=1),
        by_autograd.but(plain=1e-3),
        by_autograd.but(halves=0.99),
        by_autograd.but(amount=0.0),
    ),
    uses=(
        "mohamadi2024/forward-symmetry-is-not-enough",
        "mohamadi2024/gradient-equivariance",
        "mohamadi2024/entk-rank",
    ),
    gap="Words in six kinds of symmetry, with two neurons at p = 2 and 3 exactly. The argument "
    "by the chain rule covers the rest and is not itself checked.",
)
