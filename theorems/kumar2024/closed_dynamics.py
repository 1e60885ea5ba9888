"""Gradient descent of the committee machine closes on the mean weight and the second moment.

Cost: P D operations times at most D + 1 neurons a step, whatever N; the unreduced network by
automatic differentiation beside it dominates.
"""

from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.flows.committee import Problem, compress, descend, log_times, train_network
from grokverify.training import State, gradient_of, momentum as momentum_rule, trajectory
from grokverify.worked import unequal

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# f = alpha/N sum_i (h_i + eps/2 h_i^2), h = W x, on P inputs with the mean square error and the
# rate eta = rate N/alpha^2 on W. With r = f - y, s = X' r, S = X' diag(r) X, c = 2 rate/(alpha P):
#   W <- W (I - c eps S) - c 1 s'
#   wbar <- (I - c eps S) wbar - c s,
#   M <- (I - c eps S) M (I - c eps S) - c [(I - c eps S) wbar s' + its transpose] + c^2 s s',
# and r depends on W through wbar and M alone.


def moved_moments(wbar, M, S, s, c, eps, cross=1):
    """One step of the recursion for (wbar, M), in any arithmetic."""
    half = np.eye(len(s), dtype=int) - c * eps * S
    fresh = half @ wbar
    mixed = np.outer(fresh, s)
    return fresh - c * s, half @ M @ half - c * cross * (mixed + mixed.T) + c**2 * np.outer(s, s)


@check(
    lambda lab: [
        {"D": D, "N": N}
        for D, N in lab.pick(
            smoke=((2, 3),), quick=((1, 1), (2, 1), (2, 3), (3, 2), (3, 5), (4, 3))
        )
    ]
)
def in_rationals(lab, D, N, cross=Fraction(1), bend=Fraction(1)):
    """Three steps of all N neurons by their gradient, and of the recursion, in fractions."""
    P, steps = D + 2, 3
    alpha, eps, c = Fraction(2, 3), Fraction(3, 5), Fraction(1, 50)

    def whole(name, *shape):
        return lab.integers(name, -3, 4, *shape).cpu().numpy().astype(object)

    W, X, y = whole("w", N, D), whole("x", P, D), whole("y", P)
    wbar, M = W.sum(0) * Fraction(1, N), W.T @ W * Fraction(1, N)
    wrong = 0
    for _ in range(steps):
        h = W @ X.T
        r = alpha * (h + eps / 2 * h * h).sum(0) * Fraction(1, N) - y
        W = W - c * ((1 + eps * h) * r) @ X  # (1 + eps h) is phi'
        r = alpha * (X @ wbar + eps / 2 * ((X @ M) * X).sum(1)) - y
        wbar, M = moved_moments(wbar, M, X.T @ (r[:, None] * X), X.T @ r, c, bend * eps, cross)
        wrong += unequal(W.sum(0) * Fraction(1, N), wbar)
        wrong += unequal((W.T @ W * Fraction(1, N)).ravel(), M.ravel())
    yield exact("entries of the moments that differ", wrong).equals(0)


def settings(lab):
    D, P, N, steps = lab.pick(
        smoke=(4, 10, 9, 100), quick=(6, 18, 20, 1000), standard=(40, 200, 100, 3000)
    )
    few = [(N, 1, 0.9), (N, 0, 0.0), (2, 1, 0.0), (2, 0, 0.9)]
    return [
        {"D": D, "P": P, "N": n, "steps": steps, "centred": z, "momentum": m} for n, z, m in few
    ]


@check(settings)
def beside_autograd(
    lab, D, P, N, steps, centred, momentum, bend=1.0, mean=1.0, damping=1.0, decay=0.0
):
    """Losses and weight norm of the reduced run against torch on all N neurons, step by step."""
    W, X = lab.normal("w", 2, N, D), lab.normal("x", 2, P, D) / D**0.5
    b = lab.normal("b", 2, D)
    alpha, eps, rate = X.new_tensor([0.3, 2.0]), X.new_tensor([0.4, 0.1]), 0.05
    Z, u = compress(W)
    target = b[:, :, None] * b[:, None, :]
    problem = Problem(X, target, Z, u, alpha, eps, bool(centred))
    times = log_times(steps, 40)
    train, _, weights = train_network(W, problem, rate, times, momentum=momentum)
    mine = Problem(X, target, Z, mean * u, alpha, bend * eps, bool(centred))
    run = descend(mine, rate, steps, momentum=damping * momentum, decay=decay, records=40)
    size = weights.square().sum((-1, -2)).sqrt()
    loss = float(((run.train - train).abs() / train[0]).max())
    norm = float((run.norm - size / size[0]).abs().max())
    yield series(
        f"train loss, N={N}, centred={centred}, momentum={momentum}",
        beside="all N neurons",
        x=times,
        y=run.train[:, 0],
        printed=train[:, 0],
        xlabel="step",
        ylabel="train loss / null loss",
        log="xy",
    )
    yield row(D=D, P=P, N=N, steps=steps, train_loss_gap=loss, norm_gap=norm)
    yield approx("gap of the train losses over the first", loss).at_most(1e-12)
    yield approx("gap of the relative weight norms", norm).at_most(1e-12)


@check({"N": 2}, {"N": 30})
def with_decay(lab, N, decay=1e-3):
    """The same with weight decay, against the update rule of ``grokverify.training``."""
    D, P, steps, rate, alpha, eps, mu = 4, 10, 200, 0.05, 0.5, 0.3, 0.9
    W, X = lab.normal("w", 1, N, D), lab.normal("x", 1, P, D) / D**0.5
    b = lab.normal("b", 1, D)
    Z, u = compress(W)
    scale, bend = X.new_tensor([alpha]), X.new_tensor([eps])
    problem = Problem(X, b[:, :, None] * b[:, None, :], Z, u, scale, bend)
    run = descend(problem, rate, steps, momentum=mu, decay=decay, records=10)
    x, y, eta = X[0], (X[0] @ b[0]) ** 2 / 2, rate * N / alpha**2

    def output(w):
        h = x @ w.T
        return alpha * (h + eps / 2 * h * h).mean(-1)

    def loss(theta):
        return ((output(theta[0]) - output(W[0]) - y) ** 2).mean()

    rule = momentum_rule(eta, mu, decay=1e-3 / eta)
    last = trajectory(rule, gradient_of(loss), State((W[0],)), steps, every=steps)[-1]
    gap = float((run.train[-1, 0] - loss(last.theta) / problem.null[0]).abs() / run.train[0, 0])
    yield approx("gap of the last train losses under decay", gap).at_most(1e-12)


closed_dynamics = Claim(
    id="kumar2024/closed-dynamics",
    source=Source(PAPER, "beside equations (3) and (4)", "2310.06110"),
    title="Gradient descent closes on the mean weight and the second moment",
    statement=(
        r"Gradient descent on the mean square error of (3), with or without momentum, weight decay "
        r"and the output at the start taken off, is an autonomous recursion for $\bar w$ and $M$: "
        r"with $r = f - y$, $s = X^\top r$, $S = X^\top \operatorname{diag}(r) X$ and $c = "
        r"\frac{2 \eta_0}{\alpha P}$ the weights are $W_t = W_0 A_t + 1 b_t^\top$ with $A \to "
        r"A (I - c \epsilon S)$, $b \to (I - c \epsilon S) b - c s$. Hence the width $N$ enters "
        r"through $\bar w_0$ and $M_0$ alone, and $\min(N, D+1)$ neurons reproduce every run."
    ),
    hypotheses=("readouts are fixed to 1", "all neurons share one learning rate"),
    checks=(in_rationals, beside_autograd, with_decay),
    controls=(
        in_rationals.but(cross=Fraction(99, 100)),
        in_rationals.but(bend=Fraction(100, 99)),
        beside_autograd.but(bend=1 + 1e-9),
        beside_autograd.but(mean=1 + 1e-9),
        beside_autograd.but(damping=1 - 1e-9),
        beside_autograd.but(decay=1e-10),
        with_decay.but(decay=1e-3 * (1 + 1e-7)),
    ),
    origin="ours",
    gap="Exact for three steps of small networks in fractions; thousands of steps in floats.",
)
