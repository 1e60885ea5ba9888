"""Gradient flow on homogeneous models never lowers the normalised margin (Lyu & Li 2020).

The rich regime of Lyu et al. and Sect. 4.2 of Mohamadi et al. rest on it. Cost: seconds; symbols
for nets of a few parameters, adversarial search and stiff flows in up to 30 parameters.
"""

import math

import numpy as np
import scipy.optimize
import sympy as sp
import torch

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.homogeneous import diagonal, follow, quadratic, until_fitted
from grokverify.margins import SolverFailed
from grokverify.symbolic import residue

SOURCE = Source(
    "Lyu & Li, Gradient Descent Maximizes the Margin of Homogeneous Neural Networks "
    "(behind Lyu et al.)",
    "Theorem 4.1",
    "1906.05890",
)

# q_i(c theta) = c^L q_i(theta), loss = 1/n sum_i r_i with r_i = exp(-q_i), g = -grad loss
#   = 1/n sum_i r_i grad q_i, nu = theta . g, G = log(1/(n loss)), margin~ = G / |theta|^L.
# Along theta' = g:  G' = |g|^2 / loss  and  (log|theta|)' = nu / |theta|^2, hence
#   (log margin~)' = |g|^2 / (loss G) - L nu / |theta|^2.
# With Euler's nu = L/n sum_i r_i q_i and Lagrange's |g|^2 |theta|^2 = nu^2 + sum_{k<l} (g_k th_l -
# g_l th_k)^2 this is a sum of terms >= 0, because q_i >= G > 0 once loss < 1/n:
#   L |g|^2 sum_i r_i (q_i - G) / (n loss G nu) + L sum_{k<l} (...)^2 / (nu |theta|^2).


def diagonal_margins(L, X, theta, linear=0):
    """q = X (a^L - b^L + linear (a - b)); homogeneous of degree L for linear = 0."""
    d = len(theta) // 2
    pairs = [(theta[k], theta[d + k]) for k in range(d)]
    w = [a**L - b**L + linear * (a - b) for a, b in pairs]
    return [sum(x * v for x, v in zip(row, w, strict=True)) for row in X]


def net_margins(X, theta, linear=0):
    """q_i = sum_j v_j (z^2 + linear z), z = w_j . x_i; homogeneous of degree 3 for linear = 0."""
    d = len(X[0])
    h = len(theta) // (d + 1)
    out = []
    for row_ in X:
        z = [sum(row_[k] * theta[h + j * d + k] for k in range(d)) for j in range(h)]
        out.append(sum(theta[j] * (z[j] ** 2 + linear * z[j]) for j in range(h)))
    return out


SIGNS = np.array([-1.0, -1.0, 1.0, 1.0, 1.0, 1.0])  # labels for the quadratic net
KINDS = {"diagonal 2": 2, "diagonal 3": 3, "quadratic": 3}


def margins(kind, X, theta, linear=0):
    if kind == "quadratic":
        return net_margins(X, theta, linear)
    return diagonal_margins(KINDS[kind], X, theta, linear)


@check(lambda lab: [dict(kind=k) for k in KINDS])
def decomposition(lab, kind, linear=0, excess=0, coefficient=1):
    """Two samples in two dimensions, everything symbolic, r_i and G as symbols of their own."""
    L, n = KINDS[kind] + excess, 2
    theta = sp.symbols("t1:7") if kind == "quadratic" else sp.symbols("t1:5")
    X = [sp.symbols("x1:3"), sp.symbols("y1:3")]
    r, G = sp.symbols("r1:3"), sp.Symbol("G")
    q = margins(kind, X, theta, linear)
    slopes = [[sp.diff(qi, t) for t in theta] for qi in q]
    euler = [sum(t * s for t, s in zip(theta, si, strict=True)) for si in slopes]
    surplus = sp.Matrix([e - L * qi for e, qi in zip(euler, q, strict=True)])
    yield residue("terms of theta . grad q - L q", surplus).equals(0)
    # the rest holds for any vectors g and theta: q and g are symbols again, nu = L/n sum r q
    q, g = sp.symbols("q1:3"), sp.symbols("g1:4")
    theta = (*sp.symbols("t1:3"), sp.Symbol("t3"))
    loss = sum(r) / sp.Integer(n)
    nu = sum(t * gk for t, gk in zip(theta, g, strict=True))
    gg, tt = sum(gk**2 for gk in g), sum(t**2 for t in theta)
    twist = sum((g[k] * theta[m] - g[m] * theta[k]) ** 2 for k in range(3) for m in range(k))
    spread = sp.Rational(KINDS[kind], n) * sum(ri * (qi - G) for ri, qi in zip(r, q, strict=True))
    mean = sp.Rational(KINDS[kind], n) * sum(ri * qi for ri, qi in zip(r, q, strict=True))
    slope = gg / (loss * G) - L * nu / tt
    claimed = gg * spread / (loss * G * nu) + coefficient * KINDS[kind] * twist / (nu * tt)
    # eliminate one q by Euler's relation nu = mean
    solved = sp.solve(mean - nu, q[1])[0]
    yield residue("terms of the slope", (slope - claimed).subs(q[1], solved)).equals(0)


def draw(lab, kind):
    """Data (6 samples) and the flow from a random start until loss = 1/(2n).

    The theorem is about flows that get there; starts that end at a critical point are drawn anew.
    """
    X = lab.normal("X", 6, 4 if kind == "quadratic" else 8).cpu().numpy()
    model = quadratic(X, SIGNS, 6) if kind == "quadratic" else diagonal(X, KINDS[kind])
    for k in range(10):
        start = 0.5 * lab.normal(f"start{k}", 30 if kind == "quadratic" else 16).cpu().numpy()
        try:
            return X, model, until_fitted(model, start if kind == "quadratic" else np.abs(start))
        except SolverFailed as failure:
            reason = failure
    raise reason


def starts(lab):
    return [dict(kind=k, sample=s) for k in KINDS for s in range(lab.pick(smoke=1, quick=2))]


def log_margin(kind, X, theta, L, linear=0):
    """(log margin~, G) in torch."""
    if kind == "quadratic":
        v, z = theta[:6], X @ theta[6:].reshape(6, 4).T
        q = (z**2 + linear * z) @ v * torch.as_tensor(SIGNS, device=z.device)
    else:
        a, b = theta[:8], theta[8:]
        q = X @ (a ** KINDS[kind] - b ** KINDS[kind] + linear * (a - b))
    G = -torch.logsumexp(-q, 0)
    return torch.log(torch.clamp(G, min=1e-300)) - L * torch.log(theta.norm()), G


@check(starts)
def adversary(lab, kind, sample, linear=0, excess=0, decay=0.0):
    """Descent on the slope of log margin~ along the flow, over all theta with loss < 1/n."""
    X, model, start = draw(lab, kind)
    later = follow(model, start, [start.log_norm + k / model.degree for k in (0.0, 1.5, 3.0)])
    L, data = KINDS[kind] + excess, lab.real(X)

    def slope(flat):
        theta = lab.real(flat).requires_grad_()
        value, G = log_margin(kind, data, theta, L, linear)
        if float(G.detach()) <= 1e-3:  # loss >= 1/n: send the search back
            (back,) = torch.autograd.grad(-G, theta)
            return 10.0 - float(G.detach()), back.cpu().numpy()
        (up,) = torch.autograd.grad(value, theta, create_graph=True)
        (g,) = torch.autograd.grad(G, theta, create_graph=True)
        step = g / g.norm() - decay * theta / theta.norm()
        total = theta.norm() * (up @ step)
        (grad,) = torch.autograd.grad(total, theta)
        return float(total.detach()), grad.cpu().numpy()

    worst = math.inf
    for point in later:
        theta = math.exp(point.log_norm) * point.u
        options = dict(maxiter=lab.pick(smoke=40, standard=200))
        run = scipy.optimize.minimize(slope, theta, jac=True, method="L-BFGS-B", options=options)
        worst = min(worst, run.fun)
    yield row(kind=kind, least_slope=worst)
    yield approx("least slope found", worst).at_least(-1e-9)


def flow(lab, kind):
    """The flow from loss 1/(2n) until |theta|^L has grown by e^10, and the integration grid."""
    _, model, start = draw(lab, kind)
    grid = start.log_norm + np.linspace(0, 10 / model.degree, lab.pick(smoke=101, quick=401))
    return model, follow(model, start, grid)


@check(starts)
def along_flows(lab, kind, sample, excess=0):
    """Increments of log margin~ between the points of a stiff integration."""
    _, points = flow(lab, kind)
    logs = [math.log(p.smoothed_margin) - excess * p.log_norm for p in points]
    if sample == 0:
        yield series(
            kind,
            plot="normalised margin along the flow",
            x=[p.degree * (p.log_norm - points[0].log_norm) for p in points[::4]],
            y=[p.smoothed_margin / points[-1].smoothed_margin for p in points[::4]],
            xlabel="log |theta|^L since loss = 1/(2n)",
            ylabel="log(1/(n loss)) / |theta|^L over its last value",
        )
    yield row(kind=kind, first=math.exp(logs[0]), last=math.exp(logs[-1]))
    yield approx("least increment of log margin~", np.diff(logs).min()).at_least(-1e-7)


monotone = Claim(
    id="lyu2024/flow-margin-monotone",
    source=SOURCE,
    title="The smoothed normalised margin never decreases along gradient flow",
    statement=(
        r"Let $q_i(\theta)$ be smooth and homogeneous of degree $L$ and $\mathcal{L} = \frac{1}{n} "
        r"\sum_i e^{-q_i}$. Along $\dot\theta = -\nabla \mathcal{L}$, once $\mathcal{L} < "
        r"\frac{1}{n}$, $\tilde\gamma = \log\frac{1}{n \mathcal{L}} / \lVert\theta\rVert^L$ is "
        r"nondecreasing."
    ),
    hypotheses=("homogeneous of degree L", "no weight decay", "loss below 1/n at some time"),
    checks=(decomposition.part("the slope as a sum of two terms"), adversary, along_flows),
    controls=(
        decomposition.but(linear=1),
        decomposition.but(excess=1),
        decomposition.but(coefficient=2),
        adversary.but(linear=2),
        adversary.but(excess=0.1),
        adversary.but(decay=1.1),  # up to 1 the norm would still grow
        along_flows.but(excess=0.03),
    ),
    gap=(
        "The identity is symbolic for small nets and three coordinates; smooth models and the "
        "exponential loss only. The sign of the two terms is argued in words."
    ),
)
