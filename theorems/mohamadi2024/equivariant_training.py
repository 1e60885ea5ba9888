"""Training commutes with relabelled symbols (Mohamadi et al. 2024, Theorem 3.3, Corollary C.7).

Definition 2.2 asks that training on D^T = {(T x_i, y_i)} and evaluating at T x gives, in law over
the initialisation U_0, what training on D gives at x. It follows from a statement about single
runs, which is what most checks look at: started from tau(T) U_0 on D^T, the weights after k steps
are tau(T) U_k. With iid weights tau(T) U_0 has the law of U_0, and the law follows.
The loss is L = (1/n) sum_i (g(U; x_i) - y_i)^2 with y = p 1[a + b = c mod p] on a random D; its
gradient is a closed form where the arithmetic is rational, automatic where it is float64.
Cost: exact runs some milliseconds each; float64 runs n h operations a step.
"""

import itertools
import math
from collections import Counter
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
    adagrad,
    adam,
    gradient_descent,
    gradient_of,
    momentum,
    normalised_descent,
    rmsprop,
    sign_descent,
    square_loss_gradient,
    trajectory,
)

PAPER = "Mohamadi et al., Why Do You Grok?"


def columns_inversely(T, theta):
    """The action with W moved by the inverses of sigma1 and sigma2: right for involutions only."""
    turned = Relabelling(inverse(T.sigma1), inverse(T.sigma2), T.sigma3)
    return relabel(turned, theta)


def rational_root(v):
    """The square root rounded down to a multiple of 1/1024, entry by entry, exactly."""
    unit = 1024
    roots = [Fraction(math.isqrt(math.floor(x * unit**2)), unit) for x in v.ravel()]
    return np.array(roots, dtype=object).reshape(v.shape)


RATE, BETA1, BETA2, EPS = Fraction(1, 8), Fraction(7, 8), Fraction(63, 64), Fraction(1, 1024)
EXACT = {
    "gradient descent": gradient_descent(Fraction(1, 50)),
    "momentum": momentum(Fraction(1, 50), Fraction(9, 10)),
    "RMSprop": rmsprop(RATE, BETA2, EPS, root=rational_root),
    "sign descent": sign_descent(RATE),
    "Adam": adam(RATE, BETA1, BETA2, EPS, root=rational_root),
    "AdamW": adam(RATE, BETA1, BETA2, EPS, decay=RATE, root=rational_root),
}
FLOAT = {
    "gradient descent": gradient_descent(0.05),
    "gradient descent with weight decay": gradient_descent(0.05, decay=0.01),
    "momentum": momentum(0.01),
    "RMSprop": rmsprop(0.01),
    "Adagrad": adagrad(0.05),
    "sign descent": sign_descent(0.001),
    "normalised descent": normalised_descent(0.05),
    "Adam": adam(0.01),
    "AdamW": adam(0.01, decay=0.1),
}


def first_column_at(factor, update):
    """The update with the steps of the first column of W scaled: no longer index-free."""

    def slowed(state, g):
        new = update(state, g)
        (W, V), old = new.theta, state.theta[0]
        W = W * 1  # a copy, for numpy and torch alike
        W[:, 0] = old[:, 0] + factor * (W[:, 0] - old[:, 0])
        return State((W, V), new.memory, new.t)

    return update if factor == 1 else slowed


def restless(lab, p):
    """A random relabelling that the wrong maps below cannot mistake for a harmless one."""
    drawn = (random_relabelling(lab.at(k), p) for k in itertools.count())
    return next(T for T in drawn if T.sigma1[0] != 0 and T.sigma1 != inverse(T.sigma1))


def training_set(lab, p, n):
    """n distinct inputs (a, b, c) and their labels y = p 1[a + b = c mod p], on the CPU."""
    a, b, c = np.unravel_index(lab.subset("D", p**3, n).cpu().numpy(), (p, p, p))
    return (a, b, c), p * ((a + b) % p == c)


def exact_weights(W, V):
    return tuple(np.vectorize(Fraction, otypes=[object])(x) for x in (W, V))


def predictor(theta):
    """g(U; .) on all p^3 inputs, shape (p, p, p)."""
    W, V = theta
    p = len(V)
    a, b = (i.ravel() for i in np.indices((p, p)))
    return quadratic(W, V, a, b).reshape(p, p, p)


def exact_line(exact_rules):
    # Every U_k in rational arithmetic, at p = 3, h = 2, eight inputs; the rationals grow about
    # fivefold a step, and the rules with a square root have a memory that shows after two.
    def elements(lab):
        many = len(exact_rules) > 1  # one rule: the whole group
        chosen = relabellings(3)[:: lab.pick(smoke=18, quick=3 if many else 1, standard=1)]
        parts = [dict(zip(("s1", "s2", "s3"), map(list, T.parts), strict=True)) for T in chosen]
        return [{"rule": rule, **part} for rule in exact_rules for part in parts]

    @check(elements)
    def exact_runs(lab, rule, s1, s2, s3, act=relabel, start=None, first_column=1):
        T, update = Relabelling(s1, s2, s3), first_column_at(first_column, EXACT[rule])
        steps = 2 if "Adam" in rule or rule == "RMSprop" else 3
        x, y = training_set(lab, 3, 8)
        U = exact_weights(
            lab.integers("W", -3, 4, 2, 6).cpu(), lab.integers("V", -3, 4, 3, 2).cpu()
        )
        plain = trajectory(update, square_loss_gradient(x, y), State(U), steps)
        moved = State((start or act)(T, U))
        turned = trajectory(update, square_loss_gradient(T(*x), y), moved, steps)
        wrong = [differing(u.theta, act(T, v.theta)) for u, v in zip(turned, plain, strict=True)]
        yield exact("weights that differ", sum(wrong)).equals(0)
        last = predictor(turned[-1].theta)[np.ix_(*T.parts)]
        apart = differing((last,), (predictor(plain[-1].theta),))
        yield exact("predictions that differ", apart).equals(0)

    return exact_runs


def law_line(exact_rules):
    # Definition 2.2 itself: the law of the trained predictor when every weight is -1 or 2 with
    # equal odds, by running all 2^(3ph) starting points; no coupling is used.
    @check(*[{"rule": r} for r in exact_rules])
    def law_of_the_predictor(lab, rule, first_column=1, first_values=(-1, 2)):
        update, (x, y) = first_column_at(first_column, EXACT[rule]), training_set(lab, 2, 4)
        values = [first_values if k == 0 else (-1, 2) for k in range(6)]  # W: 4 columns, V: 2 rows
        starts = [
            exact_weights(np.array([w[:4]]), np.array([w[4:]]).T)
            for w in itertools.product(*values)
        ]

        def law(T):
            grad = square_loss_gradient(T(*x), y)
            ends = (trajectory(update, grad, State(U), 2)[-1].theta for U in starts)
            return Counter(tuple(predictor(U)[np.ix_(*T.parts)].ravel()) for U in ends)

        identity, *others = relabellings(2)
        before = law(identity)
        for T in others[:: lab.pick(smoke=3, quick=1)]:
            alone = (before - law(T)).total()
            yield exact("starting points without a partner", alone).equals(0)

    return law_of_the_predictor


def float_line(float_rules):
    # Float64 on the lab's device at h = 4 p and n = 2 p^2.25, the sizes of the paper's figure 3.
    sizes = {"smoke": (5,), "quick": (5, 9), "standard": (5, 11, 23), "paper": (23, 47)}

    @check(lambda lab: [{"p": p} for p in lab.pick(**sizes)])
    def float_runs(lab, p, act=relabel, start=None, first_column=1, steps=40):
        T, h, n = restless(lab, p), 4 * p, min(p**3, round(2 * p**2.25))
        x, y = training_set(lab, p, n)
        U = lab.normal("W", h, 2 * p).double() / 2, lab.normal("V", p, h).double() / h**0.5
        plain_gradient = torch_gradient(lab, x, y)
        turned_gradient = torch_gradient(lab, T(*x), y)
        for rule in float_rules:
            update = first_column_at(first_column, FLOAT[rule])
            plain = trajectory(update, plain_gradient, State(U), steps, every=4)
            moved = State((start or act)(T, U))
            turned = trajectory(update, turned_gradient, moved, steps, every=4)
            pairs = list(zip(turned, plain, strict=True))
            apart = [deviation(u.theta, act(T, v.theta)) for u, v in pairs]
            travelled = deviation(plain[-1].theta, U)
            yield row(p=p, h=h, n=n, rule=rule, deviation=max(apart), travelled=travelled)
            yield series(
                rule,
                plot=f"deviation of the two runs, p = {p}",
                x=[u.t for u in turned],
                y=[d + 1e-17 for d in apart],
                xlabel="steps",
                ylabel="relative deviation + 1e-17", log="y",
            )  # fmt: skip
            yield approx(f"{rule}: relative deviation", max(apart)).at_most(1e-12)

    return float_runs


def training_checks(exact_rules, float_rules):
    """Three lines of evidence for a family of update rules."""
    return exact_line(exact_rules), law_line(exact_rules), float_line(float_rules)


def torch_gradient(lab, x, y):
    a, b, c = (torch.as_tensor(i, device=lab.device) for i in x)
    at, label = torch.arange(len(c), device=lab.device), lab.real(y)
    return gradient_of(lambda U: (quadratic(*U, a, b)[at, c] - label).square().mean())


def unmoved(T, theta):
    """Start the run on D^T from U_0 itself."""
    return theta


def training_controls(checks):
    runs, law, floats = checks
    almost = Fraction(99, 100)
    return (
        runs.but(act=columns_inversely),
        runs.but(start=unmoved),
        runs.but(first_column=almost),
        law.but(first_column=almost),
        law.but(first_values=(-1, 3)),
        floats.but(act=columns_inversely),
        floats.but(start=unmoved),
        floats.but(first_column=0.99),
        floats.but(first_column=0.0),
    )


def statement(rule):
    return (
        rf"Let $U_k$ be the weights after $k$ steps of {rule} from $U_0$ on "
        r"$\{(x_i,y_i)\}$. From $\tau(T)U_0$ on $\{(Tx_i,y_i)\}$ the same steps lead to "
        r"$\tau(T)U_k$, for all $T\in\mathcal G_{\mathcal X}$. Hence with iid initial weights the "
        r"trained predictors satisfy "
        r"$\mathcal A(\{(Tx_i,y_i)\})\circ T=\mathcal A(\{(x_i,y_i)\})$ in law."
    )


HYPOTHESES = (
    "the initial weights are independent, alike within W and within V",
    "the update treats all coordinates alike",
)
GAP = (
    "tau is the corrected action. Exact for random data at p = 2 and 3, two or three steps, in "
    "smaller profiles on a part of the group; float64 to a tolerance at larger sizes. "
)

_checks = training_checks(("gradient descent",), ("gradient descent",))
gd_equivariance = Claim(
    id="mohamadi2024/gd-equivariance",
    source=Source(PAPER, "Theorem 3.3", "2407.12332"),
    title="Gradient descent is permutation equivariant",
    statement=statement("gradient descent"),
    hypotheses=HYPOTHESES,
    checks=_checks,
    controls=training_controls(_checks),
    uses=("mohamadi2024/gradient-equivariance", "mohamadi2024/initialisation-law"),
    gap=GAP + "Weight decay and the max-norm penalty are separate claims.",
)

_checks = training_checks(("Adam", "AdamW"), ("Adam", "AdamW"))
adam_equivariance = Claim(
    id="mohamadi2024/adam-equivariance",
    source=Source(PAPER, "Corollary C.7", "2407.12332"),
    title="Adam and AdamW are permutation equivariant",
    statement=statement("Adam or AdamW"),
    hypotheses=HYPOTHESES,
    checks=_checks,
    controls=training_controls(_checks),
    uses=("mohamadi2024/gradient-equivariance", "mohamadi2024/initialisation-law"),
    gap=GAP + "The exact runs round Adam's square root down to a multiple of 1/1024.",
)

_rest = tuple(r for r in FLOAT if r not in ("gradient descent", "Adam", "AdamW"))
_checks = training_checks(("momentum", "RMSprop", "sign descent"), _rest)
memory_equivariance = Claim(
    id="mohamadi2024/memory-equivariance",
    source=Source(PAPER, "Corollary C.7", "2407.12332"),
    title="Other gradient methods, with and without memory, are permutation equivariant",
    statement=statement(
        "momentum, RMSprop, Adagrad, sign descent, normalised descent, or "
        "gradient descent with weight decay"
    ),
    hypotheses=HYPOTHESES,
    checks=_checks,
    controls=training_controls(_checks),
    uses=("mohamadi2024/gradient-equivariance", "mohamadi2024/initialisation-law"),
    gap=GAP + "Adagrad, normalised descent and weight decay have float64 runs only.",
)
