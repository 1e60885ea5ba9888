"""The two ends of Theorem 3.3 that Definition C.1 leaves open (Mohamadi et al. 2024).

Condition (3) of Theorem C.2: relabelling iid weights does not change their law. It is printed for
the group that acts on inputs; the one that acts on weights is meant. And the penalty of eq. (2.2),
L + lambda max |U_i|, is no function of the predictor, so Definition C.1 does not cover it: gradient
descent on it is equivariant if the subgradient treats tied largest weights alike.
Cost: 3^(3p) probabilities times the group at p = 2 and 3; exact runs, milliseconds each.
"""

import itertools
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
from grokverify.stats import decide
from grokverify.training import (
    State,
    gradient_descent,
    gradient_of,
    square_loss_gradient,
    sup_norm_subgradient,
    trajectory,
)

PAPER = "Mohamadi et al., Why Do You Grok?"

# --- Theorem C.2 (3): tau(T) U_0 = U_0 in law ----------------------------------------------------
# One neuron, each of its 3p weights on three values; odds in whole numbers, so that sums are exact.


def alike(p):
    return [(3, 2, 1)] * (3 * p)


def layers_apart(p):
    """Another law in V than in W."""
    return [(3, 2, 1)] * (2 * p) + [(1, 1, 4)] * p


def first_column_apart(p):
    return [(2, 3, 1)] + [(3, 2, 1)] * (3 * p - 1)


def halves_apart(p):
    """Another law in the second half of W: harmless, since no relabelling mixes the halves."""
    return [(3, 2, 1)] * p + [(2, 3, 1)] * p + [(3, 2, 1)] * p


def first_two_tied(odds):
    """Half independent, half with the first two weights of W equal: same law of each weight."""
    diagonal = np.zeros_like(odds)
    for k in range(3):
        diagonal[k, k] = odds.sum(1)[k] * 6
    return odds + diagonal


@check({"p": 2}, {"p": 3})
def law_by_enumeration(lab, p, odds=alike, tied=False):
    law = np.array(1)
    for one in odds(p):
        law = np.multiply.outer(law, np.array(one))
    law = first_two_tied(law) if tied else law
    labels = np.arange(2 * p)[None, :], np.arange(2 * p, 3 * p)[:, None]
    worst = Fraction(0)
    for T in relabellings(p):
        W, V = relabel(T, labels)  # which old weight sits where, hence which axis goes where
        moved = law.transpose([*W.ravel(), *V.ravel()])
        worst = max(worst, Fraction(int(abs(moved - law).sum()), 2 * int(law.sum())))
    yield row(p=p, outcomes=law.size, distance=worst)
    yield series("total variation distance", x=p, y=worst, printed=0, xlabel="p")
    yield exact("largest total variation distance", worst).equals(0)


# Gaussian weights on the lab's device: a relabelled weight exceeds a fresh one half of the time.
# Without symmetry the odds are 2 arctan(s) / pi for a column wider by the factor s.


@check({"p": 5, "h": 2})
def law_by_sampling(lab, p, h, first_column=1.0):
    drawn = (random_relabelling(lab.at(k), p) for k in itertools.count())
    T = next(T for T in drawn if T.sigma1[0] != 0)
    place = T.sigma1[0]  # here the first column of W arrives

    def draw(here):
        W, V = here.normal("W", h, 2 * p), here.normal("V", p, h)
        W[:, 0] *= first_column
        return W, V

    def exceeds(here, n):
        pairs = ((draw(here.at([k, 0])), draw(here.at([k, 1]))) for k in range(n))
        return [bool(abs(relabel(T, U)[0][0, place]) > abs(O[0][0, place])) for U, O in pairs]

    yield decide("P(relabelled exceeds fresh)", exceeds, lab=lab, at_most=0.6)


initialisation_law = Claim(
    id="mohamadi2024/initialisation-law",
    source=Source(PAPER, "Theorem C.2 (3), proof of Theorem 3.3", "2407.12332"),
    title="Relabelling iid weights keeps their law",
    statement=r"If the entries of $U_0=(W_0,V_0)$ are independent, alike within $W_0$ and within "
    r"$V_0$, then $\tau(T)U_0$ has the law of $U_0$ for every $T\in\mathcal G_{\mathcal X}$.",
    hypotheses=("independent entries", "one law in W, one in V"),
    checks=(law_by_enumeration, law_by_sampling),
    controls=(
        law_by_enumeration.but(odds=first_column_apart),
        law_by_enumeration.but(tied=True),
        law_by_enumeration.but(odds=layers_apart).must_hold(),
        law_by_enumeration.but(odds=halves_apart).must_hold(),
        law_by_sampling.but(first_column=2.5),
    ),
    uses=("mohamadi2024/weight-action-isomorphism",),
    gap="All outcomes of three-valued weights for one neuron; for Gaussian weights one event only, "
    "told from a half up to a tenth.",
)


# --- Gradient descent on L + lambda max |U_i|, eq. (2.2) -----------------------------------------

LAMBDA = Fraction(1, 10)


def first_largest(theta):
    """The subgradient that charges the first of the tied largest weights."""
    flat = np.concatenate([x.ravel() for x in theta])
    out = np.zeros(len(flat), dtype=object)
    k = int(np.argmax(abs(flat)))
    out[k] = 1 if flat[k] > 0 else -1
    W, V = np.split(out, [theta[0].size])
    return W.reshape(theta[0].shape), V.reshape(theta[1].shape)


def columns_inversely(T, theta):
    """The action with W moved by the inverses of sigma1 and sigma2: right for involutions only."""
    return relabel(Relabelling(inverse(T.sigma1), inverse(T.sigma2), T.sigma3), theta)


def data(lab, p, n):
    a, b, c = np.unravel_index(lab.subset("D", p**3, n).cpu().numpy(), (p, p, p))
    return (a, b, c), p * ((a + b) % p == c)


def elements(lab):
    chosen = relabellings(3)[:: lab.pick(smoke=12, quick=3, standard=1)]
    return [dict(zip(("s1", "s2", "s3"), map(list, T.parts), strict=True)) for T in chosen]


# Both runs start with the largest weights tied: all incoming weights of the first neuron.


@check(elements)
def penalised_exactly(lab, s1, s2, s3, subgradient=sup_norm_subgradient, act=relabel):
    T, (x, y) = Relabelling(s1, s2, s3), data(lab, 3, 8)
    whole = lab.integers("W", -2, 3, 2, 6), lab.integers("V", -2, 3, 3, 2)
    W, V = (np.vectorize(Fraction, otypes=[object])(u.cpu()) for u in whole)
    W[0, :] = Fraction(3)

    def gradient(x):
        plain = square_loss_gradient(x, y)
        return lambda theta: tuple(
            d + LAMBDA * s for d, s in zip(plain(theta), subgradient(theta), strict=True)
        )

    step = gradient_descent(Fraction(1, 50))
    plain = trajectory(step, gradient(x), State((W, V)), 3)
    turned = trajectory(step, gradient(T(*x)), State(act(T, (W, V))), 3)
    wrong = [differing(u.theta, act(T, v.theta)) for u, v in zip(turned, plain, strict=True)]
    yield exact("weights that differ", sum(wrong)).equals(0)


# The same with torch's own derivative of the maximum: amax shares its derivative among ties,
# max(dim=0) gives it to one of them. A T without fixed points moves whichever that is.


def restless(T):
    still = any(i == j for s in T.parts[:2] for i, j in enumerate(s))
    return not still and T.sigma1 != inverse(T.sigma1)


def shared(flat):
    return flat.amax()


def one_of_them(flat):
    return flat.max(dim=0).values


@check(lambda lab: [{"p": p} for p in lab.pick(smoke=(5,), quick=(5, 9), standard=(5, 11, 23))])
def penalised_by_autograd(lab, p, largest=shared, act=relabel, steps=40):
    drawn = (random_relabelling(lab.at(k), p) for k in itertools.count())
    T = next(T for T in drawn if restless(T))
    h, n = 4 * p, min(p**3, round(2 * p**2.25))
    x, y = data(lab, p, n)
    W, V = (lab.normal(*k).double().clamp(-0.9, 0.9) for k in (("W", h, 2 * p), ("V", p, h)))
    W[0, :] = 1
    U = W, V
    label, at = lab.real(y), torch.arange(n, device=lab.device)

    def gradient(x):
        a, b, c = (torch.as_tensor(i, device=lab.device) for i in x)

        def loss(theta):
            apart = quadratic(*theta, a, b)[at, c] - label
            flat = torch.cat([u.flatten() for u in theta]).abs()
            return apart.square().mean() + float(LAMBDA) * largest(flat)

        return gradient_of(loss)

    step = gradient_descent(0.005)
    plain = trajectory(step, gradient(x), State(U), steps, every=4)
    turned = trajectory(step, gradient(T(*x)), State(act(T, U)), steps, every=4)
    pairs = list(zip(turned, plain, strict=True))
    apart = [deviation(u.theta, act(T, v.theta)) for u, v in pairs]
    yield row(p=p, h=h, n=n, deviation=max(apart), travelled=deviation(plain[-1].theta, U))
    labels = {"xlabel": "steps", "ylabel": "relative deviation + 1e-17", "log": "y"}
    yield series(f"p = {p}", x=[u.t for u in turned], y=[d + 1e-17 for d in apart], **labels)
    yield approx("relative deviation", max(apart)).at_most(1e-12)


sup_norm_equivariance = Claim(
    id="mohamadi2024/sup-norm-equivariance",
    source=Source(PAPER, "eq. (2.2), beside Definition C.1 and Theorem 3.3", "2407.12332"),
    title="Gradient descent with the max-norm penalty is permutation equivariant",
    statement=r"Let $U_k$ be the weights after $k$ steps of gradient descent on "
    r"$\mathcal L+\lambda\lVert U\rVert_\infty$ from $U_0$ on $\{(x_i,y_i)\}$, with the "
    r"subgradient that shares ties equally. From $\tau(T)U_0$ on $\{(Tx_i,y_i)\}$ it leads to "
    r"$\tau(T)U_k$, for all $T\in\mathcal G_{\mathcal X}$.",
    hypotheses=("the subgradient of the maximum treats tied weights alike",),
    origin="ours",
    checks=(penalised_exactly, penalised_by_autograd),
    controls=(
        penalised_exactly.but(subgradient=first_largest),
        penalised_exactly.but(act=columns_inversely),
        penalised_by_autograd.but(largest=one_of_them),
        penalised_by_autograd.but(act=columns_inversely),
    ),
    uses=("mohamadi2024/gradient-equivariance",),
    gap="Exact for random data at p = 3 and three steps; float64 to a tolerance at larger sizes.",
)
