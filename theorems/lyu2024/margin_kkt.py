"""The direction of gradient flow on homogeneous models tends to KKT points (Lyu & Li 2020).

The rich regime of Lyu et al. rests on it. Cost: seconds; stiff flows in up to 30 parameters.
"""

import math

import numpy as np
import scipy.optimize
import torch
from scipy.integrate import solve_ivp
from scipy.special import lambertw

from grokverify import Claim, Source, approx, check, row, series
from grokverify.margins import SolverFailed
from theorems.lyu2024.margin_flow import KINDS, SOURCE, draw, flow, log_margin, starts

# With the angle b of theta to g: (log margin~)' >= L tan(b)^2 (log|theta|)', so that
#   integral of tan^2 b d log|theta| <= 1/L log(margin~(end) / margin~(start)),
# bounded because margin~ <= gamma*. A KKT point of min |theta|^2 s.t. q >= 1 has b = 0, multipliers
# in the proportion of r_i, and r_i (q_i - q_min) = 0. Little is left of the last: for p = r / sum r
# and x_i = q_i - q_min, sum p x <= c iff sum (x_i - c) e^(-x_i) <= c over the n - 1 others; each
# term is at most e^(-1-c), at x_i = 1 + c, so that the least such c has c e^c = (n - 1)/e:
#   sum_i p_i (q_i - q_min) <= W((n - 1)/e) <= (n - 1)/e,   W Lambert's function.


def lambert(n, others=1):
    return float(lambertw((n - others) / math.e).real)


@check(lambda lab: [dict(n=n) for n in lab.pick(smoke=(3, 6), quick=(3, 6, 40))])
def slackness(lab, n, others=1):
    """The largest value that descent finds from random margins is the bound."""

    def minus(q):
        x = q - q.min()
        p = np.exp(-x) / np.exp(-x).sum()
        value = p @ x
        slope = p * (1 - x + value)
        return -value, -(slope - (q == q.min()) / (q == q.min()).sum())

    start = np.append(0.0, 1 + lab.uniform("q", n - 1).cpu().numpy())
    run = scipy.optimize.minimize(minus, start, jac=True, method="L-BFGS-B")
    yield row(n=n, largest=-run.fun, bound=lambert(n))
    ratio = -run.fun / lambert(n, others)
    yield approx("largest sum found over its bound", ratio).at_most(1 + 1e-9)
    yield approx("largest sum found over its bound, from below", ratio).at_least(1 - 1e-6)


@check(starts)
def tangents(lab, kind, sample, factor=1.0, order=1):
    """Four equal windows of log|theta| along a stiff integration (trapezoidal sums)."""
    model, points = flow(lab, kind)
    n, size = len(points[0].q), len(points) // 4
    for k in range(4):
        part = points[k * size : (k + 1) * size + 1]
        tan2 = np.array([p.tangent**2 for p in part])
        total = float(np.trapezoid(tan2, [p.log_norm for p in part]))
        rise = math.log(part[-1].smoothed_margin / part[0].smoothed_margin) / model.degree
        yield approx("integral of tan^2 over its bound", factor * total / rise).at_most(1 + 1e-3)
        slack = [
            p.p @ (p.q - p.q.min()) * math.exp(model.degree * p.log_norm) ** order for p in part
        ]
        yield approx("p . (q - q_min) over its bound", max(slack) / lambert(n)).at_most(1)
    if sample == 0:
        yield series(
            f"angle between theta and the negative gradient, net {kind!r}",
            x=[p.degree * (p.log_norm - points[0].log_norm) for p in points[::4]],
            y=[p.tangent for p in points[::4]],
            xlabel="log |theta|^L since loss = 1/(2n)",
            ylabel="tangent; 0 at a KKT direction",
            log="y",
        )
    yield row(kind=kind, first_tangent=points[0].tangent, last_tangent=points[-1].tangent)
    yield approx("tangent at the end", points[-1].tangent)


@check(starts)
def in_arc_length(lab, kind, sample, factor=1.0):
    """theta' = |theta| g / |g| on theta itself, gradients by automatic differentiation."""
    X, _, start = draw(lab, kind)
    data, L = lab.real(X), KINDS[kind]

    def look(flat):
        theta = lab.real(flat).requires_grad_()
        value, G = log_margin(kind, data, theta, L)
        (g,) = torch.autograd.grad(G, theta)
        return float(value.detach()), (g / g.norm()).cpu().numpy()

    def velocity(_, theta):
        return np.linalg.norm(theta) * look(theta)[1]

    s, theta = np.linspace(0, 6 / L, 121), math.exp(start.log_norm) * start.u
    run = solve_ivp(velocity, (0, s[-1]), theta, "LSODA", t_eval=s, rtol=1e-8, atol=1e-10)
    if run.status != 0:
        raise SolverFailed(f"the flow of the net {kind!r} stopped: {run.message}")
    norms = np.linalg.norm(run.y, axis=0)
    values, pulls = zip(*map(look, run.y.T), strict=True)
    cos = np.array([t @ g for t, g in zip(run.y.T, pulls, strict=True)]) / norms
    late = slice(60, None)  # where the bound is sharper
    total = np.trapezoid(1 / cos[late] ** 2 - 1, np.log(norms[late]))
    bound = (values[-1] - values[60]) / L
    yield row(kind=kind, integral=total, bound=bound)
    yield approx("integral of tan^2 over its bound", factor * total / bound).at_most(1 + 1e-3)


kkt = Claim(
    id="lyu2024/flow-kkt-direction",
    source=Source(SOURCE.paper, "Theorem 4.4", "1906.05890"),
    title="The direction of the flow tends to KKT points of the margin problem",
    statement=(
        r"In the same setting limit points of $\theta / \lVert\theta\rVert$ lie along KKT points "
        r"of $\min \frac{1}{2} \lVert\theta\rVert^2$ subject to $q_i(\theta) \ge 1$. With "
        r"$\beta$ the angle between $\theta$ and $-\nabla\mathcal{L}$ and $p_i \propto e^{-q_i}$: "
        r"$\int \tan^2\beta \; d \log\lVert\theta\rVert \le \frac{1}{L} \log "
        r"\frac{\gamma^*}{\tilde\gamma(t_0)}$ and $\sum_i p_i (q_i - q_{\min}) \le "
        r"W(\frac{n-1}{e}) \le \frac{n-1}{e}$ with Lambert's $W$, while $q_{\min} \to \infty$."
    ),
    hypotheses=("as for the monotone margin",),
    checks=(
        tangents.asymptotic("tangent at the end"),
        in_arc_length,
        slackness.part("the slackness, and that its bound is sharp"),
    ),
    controls=(
        tangents.but(factor=1.2),
        tangents.but(order=1.25),
        in_arc_length.but(factor=1.5),
        slackness.but(others=2),
        slackness.but(others=0),
    ),
    uses=("lyu2024/flow-margin-monotone",),
    gap=(
        "The two inequalities give KKT points along a sequence of times that has full density in "
        "log|theta|. That every limit point is one is measured only: the tangent at the end."
    ),
)
