"""Kumar et al., Sections 4.1, 8.1 and 8.2: scales of output, labels and weights.

A step of gradient descent is a rational map of the weights; two maps that agree at every point
give the same training for ever, so that one symbolic step proves each equivalence. Cost: seconds;
the symbolic lines grow with N, D and the number P of inputs.
"""

import sympy as sp
import torch

from grokverify import Claim, Source, approx, check, row, series
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# (3)  f(x) = alpha/N sum_i phi(w_i . x),  phi(h) = h + eps/2 h^2;  centred: F = f - f at w(0)
#      L = 1/P sum_mu (F(x_mu) - y_mu)^2,  w <- w - eta grad L
# Weights:  (alpha, eps, sigma, eta) trains like (alpha sigma, eps sigma, 1, eta/sigma^2), where
#           w(0) = sigma w'(0): then w = sigma w' and F = F' at every step.
# Labels:   (alpha, y, eta) trains like (1, y/alpha, alpha^2 eta): w = w' and F = alpha F'.


def network(W, alpha, eps, x):
    h = x @ W.mT
    return alpha * (h + eps / 2 * h**2).mean(-1)


def symbolic_step(W, W0, alpha, eps, rate, X, y):
    """One step of gradient descent on matrices of symbols: (N, D) weights, (P, D) inputs."""
    N, P = W.rows, X.rows
    names = sp.Matrix(N, W.cols, sp.symbols(f"theta0:{N * W.cols}"))

    def output(at, mu):
        h = [at[i, :].dot(X[mu, :]) for i in range(N)]
        return alpha * sum(z + eps / 2 * z**2 for z in h) / N

    loss = sum((output(names, mu) - output(W0, mu) - y[mu]) ** 2 for mu in range(P)) / P
    slope = names.applyfunc(lambda name: sp.diff(loss, name))
    return W - rate * slope.subs(dict(zip(names, W, strict=True)))


def train(W, alpha, eps, rate, x, y, steps):
    """Gradient descent on the centred network by torch: weights at the end, loss at every step.

    A run that leaves every bound (some wrong scales do) stops there, before it overflows.
    """
    start, losses = network(W, alpha, eps, x), []
    for t in range(steps):
        W = W.detach().requires_grad_()
        loss = (network(W, alpha, eps, x) - start - y).square().mean()
        (slope,) = torch.autograd.grad(loss, W)
        losses.append(float(loss.detach()))
        if losses[-1] > 1e6 * losses[0]:
            return W.detach(), losses + [losses[-1]] * (steps - 1 - t)
        W = W.detach() - rate * slope
    return W, losses


def symbols(letter, rows, columns):
    return sp.Matrix(rows, columns, sp.symbols(f"{letter}0:{rows * columns}"))


def generic_task(N, D, P):
    """Weights, weights at the start, inputs and labels, all symbols."""
    return symbols("v", N, D), symbols("u", N, D), symbols("x", P, D), symbols("y", P, 1)


def task(lab, N, D, P):
    x, b = lab.normal("x", P, D) / D**0.5, lab.normal("b", D)
    return lab.normal("w", N, D), x, (x @ b) ** 2 / 2


def shapes(lab):
    triples = lab.pick(smoke=((1, 2, 1),), quick=((1, 1, 1), (1, 2, 1), (2, 1, 2), (2, 2, 1)))
    return [dict(N=N, D=D, P=P) for N, D, P in triples]


def gap_of(W, V, losses, others):
    """The larger of the relative gaps of the weights and of the losses."""
    weights = float((W - V).abs().max() / V.abs().max())
    return max(weights, max(abs(a - b) for a, b in zip(losses, others, strict=True)) / others[0])


def tolerance(W):
    """Rounding of a hundred stable steps."""
    return 1e6 * torch.finfo(W.dtype).eps


def curve(name, losses, others):
    at = [t for t in range(len(losses)) if t & (t - 1) == 0]
    return series(
        name,
        x=[t + 1 for t in at],
        y=[losses[t] for t in at],
        printed=[others[t] for t in at],
        xlabel="step",
        ylabel="train loss",
        log="xy",
    )


# --- weight scale ------------------------------------------------------------------------------
def equivalent(alpha, eps, sigma, rate):
    """The scales of the network with sigma = 1."""
    return alpha * sigma, eps * sigma, rate / sigma**2


def alpha_sigma_squared(alpha, eps, sigma, rate):
    """alpha ~ sigma^-2 of Section 8.2, eps left as it is."""
    return alpha * sigma**2, eps, rate / sigma**2


def rate_once(alpha, eps, sigma, rate):
    return alpha * sigma, eps * sigma, rate / sigma


def eps_kept(alpha, eps, sigma, rate):
    return alpha * sigma, eps, rate / sigma**2


@check(shapes)
def weights_in_symbols(lab, N, D, P, scales=equivalent):
    """One step from w = sigma v is sigma times one step from v, for all w, w(0), x, y."""
    alpha, eps, sigma, rate = sp.symbols("alpha epsilon sigma eta")
    V, V0, X, y = generic_task(N, D, P)
    left = symbolic_step(sigma * V, sigma * V0, alpha, eps, rate, X, y)
    a, e, r = scales(alpha, eps, sigma, rate)
    gap = left - sigma * symbolic_step(V, V0, a, e, r, X, y)
    yield residue("surviving terms", gap).equals(0)


def trained(lab):
    triples = (0.3, 1.0, 0.5), (3.0, 0.1, 2.0), (1.0, 0.3, 2.0), (0.5, 0.8, 0.7), (2.0, 0.5, 1.5)
    return [dict(alpha=a, eps=e, sigma=s) for a, e, s in lab.pick(smoke=triples[:2], quick=triples)]


@check(trained)
def weights_in_training(lab, alpha, eps, sigma, scales=equivalent):
    """Two networks trained by torch for a hundred steps, far from where they started."""
    V, x, y = task(lab, 8, 4, 12)
    rate = 0.1 * len(V) / alpha**2 / (1 + eps * sigma) ** 2
    W, losses = train(sigma * V, alpha, eps, rate, x, y, 100)
    a, e, r = scales(alpha, eps, sigma, rate)
    V, others = train(V, a, e, r, x, y, 100)
    yield curve(f"train loss, alpha={alpha}, sigma={sigma}, beside sigma=1", losses, others)
    yield row(alpha=alpha, eps=eps, sigma=sigma, first=losses[0], last=losses[-1])
    yield approx("relative gap", gap_of(W / sigma, V, losses, others)).at_most(tolerance(W))


weight_scale = Claim(
    id="kumar2024/weight-scale-exact",
    source=Source(PAPER, "beside Section 8.2", "2310.06110"),
    title="Weight scale is output scale together with eps, exactly",
    statement=(
        r"Gradient descent with $(\alpha, \epsilon, \eta)$ from $w(0) = \sigma w'(0)$ and with "
        r"$(\alpha\sigma, \epsilon\sigma, \eta/\sigma^2)$ from $w'(0)$ have $w = \sigma w'$ and "
        r"the same predictor at every step."
    ),
    hypotheses=("vanilla gradient descent on the centred predictor",),
    origin="ours",
    checks=(weights_in_symbols, weights_in_training),
    controls=tuple(
        line.but(scales=off)
        for line in (weights_in_symbols, weights_in_training)
        for off in (alpha_sigma_squared, rate_once, eps_kept)
    ),
    gap="Symbolic for one step of networks with N, D, P <= 2; all steps follow by induction. The "
    "paper's alpha ~ sigma^-2 at fixed eps is approximate, as it says; as an exact rule it fails "
    "(a control).",
)


# --- label scale -------------------------------------------------------------------------------
def as_labels(alpha, y, rate):
    """Output scale, labels and rate of the network with alpha = 1."""
    return y / alpha, rate * alpha**2


def labels_squared(alpha, y, rate):
    return y / alpha**2, rate * alpha**2


def rate_alpha_once(alpha, y, rate):
    return y / alpha, rate * alpha


@check(shapes)
def labels_in_symbols(lab, N, D, P, scales=as_labels):
    alpha, eps, rate = sp.symbols("alpha epsilon eta")
    V, V0, X, y = generic_task(N, D, P)
    labels, r = scales(alpha, y, rate)
    gap = symbolic_step(V, V0, alpha, eps, rate, X, y) - symbolic_step(V, V0, 1, eps, r, X, labels)
    yield residue("surviving terms", gap).equals(0)


@check(lambda lab: [dict(alpha=a, eps=e) for a in (0.3, 10.0) for e in (0.1, 1.0)])
def labels_in_training(lab, alpha, eps, scales=as_labels):
    V, x, y = task(lab, 8, 4, 12)
    rate = 0.1 * len(V) / alpha**2 / (1 + eps) ** 2
    W, losses = train(V, alpha, eps, rate, x, y, 100)
    labels, r = scales(alpha, y, rate)
    V, others = train(V, 1.0, eps, r, x, labels, 100)
    others = [alpha**2 * loss for loss in others]
    yield curve(f"train loss, alpha={alpha}, eps={eps}, beside labels y/alpha", losses, others)
    yield approx("relative gap", gap_of(W, V, losses, others)).at_most(tolerance(W))


label_scale = Claim(
    id="kumar2024/label-scale-exact",
    source=Source(PAPER, "Section 4.1 (label and output rescaling)", "2310.06110"),
    title="Dividing the labels by alpha is multiplying the output by alpha, exactly",
    statement=(
        r"Gradient descent with $(\alpha, y, \eta)$ and with $(1, y/\alpha, \alpha^2 \eta)$ pass "
        r"through the same weights, and the first predictor is $\alpha$ times the second."
    ),
    hypotheses=("vanilla gradient descent on the centred predictor",),
    origin="ours",
    checks=(labels_in_symbols, labels_in_training),
    controls=tuple(
        line.but(scales=off)
        for line in (labels_in_symbols, labels_in_training)
        for off in (labels_squared, rate_alpha_once)
    ),
    gap="Symbolic for one step of networks with N, D, P <= 2; all steps follow by induction.",
)
