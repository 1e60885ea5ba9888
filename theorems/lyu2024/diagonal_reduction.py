"""The reduction behind the claims on diagonal nets: n equations for 2d, exact at any depth.

Gradient flow with weight decay on f = <u^L - v^L, x> from u = v = alpha (Lyu et al., Sect. 3.2.3,
have L = 2). Cost: seconds; symbols, the unreduced flow in 2d variables, and plain gradient descent.
"""

import math

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.diagonal import EXPONENTIAL, LOGISTIC, DiagonalNet, Square, diagonal_flow
from grokverify.flows.hypentropy import hypentropy
from grokverify.margins import SolverFailed
from grokverify.symbolic import residue

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Section 3.2.3",
    "2311.18817",
)

# s = X'r / n, eps' = -lambda eps:  u' = L u^(L-1) s - lambda u,  v' = -L v^(L-1) s - lambda v. Then
#   L = 2:  (uv - eps^2)' = -2 lambda (uv - eps^2)  and  (log u/eps)' = 2 s = -(log v/eps)';
#   L > 2:  J = u^(2-L) + v^(2-L) - 2 eps^(2-L) has J' = (L-2) lambda J, and
#           ((u/eps)^(2-L))' = -L (L-2) eps^(L-2) s,
# so that u and v are explicit in y = 2 L^2 times the integral of eps^(L-2) s, a vector X' rho.


@check(lambda lab: [dict(L=L) for L in lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5))])
def conserved(lab, L, pull=1, decay=1, speed=1):
    """One coordinate, everything symbolic; pull and decay weigh the two terms of v'."""
    u, v, e, s, lam = sp.symbols("u v epsilon s lambda")
    du = L * u ** (L - 1) * s - lam * u
    dv = -pull * L * v ** (L - 1) * s - decay * lam * v
    de = -lam * e

    def along(g):
        return sp.diff(g, u) * du + sp.diff(g, v) * dv + sp.diff(g, e) * de

    if L == 2:
        J, rate, ratio = u * v - e**2, -2 * lam, speed * 2 * s
        clock = along(u) / u - along(e) / e - ratio
    else:
        J, rate = u ** (2 - L) + v ** (2 - L) - 2 * e ** (2 - L), (L - 2) * lam
        clock = along((u / e) ** (2 - L)) + speed * L * (L - 2) * e ** (L - 2) * s
    yield residue("terms of J' - rate J", along(J) - rate * J).equals(0)
    yield residue("terms of the clock of u", clock).equals(0)


def data(lab, loss):
    X, y = lab.normal("X", 5, 8).cpu().numpy(), lab.normal("y", 5).cpu().numpy()
    slopes = {
        "exponential": (EXPONENTIAL, lambda q: np.exp(-q)),
        "logistic": (LOGISTIC, lambda q: 1 / (1 + np.exp(q))),
        "square": (Square(y), lambda q: 2 * (y - q)),
    }
    return X, *slopes[loss]


def cases(lab):
    few = [dict(L=2, loss="exponential", alpha=3.0), dict(L=3, loss="square", alpha=1.5)]
    more = [
        dict(L=2, loss="logistic", alpha=0.3),
        dict(L=2, loss="square", alpha=3.0),
        dict(L=3, loss="exponential", alpha=2.0),
        dict(L=4, loss="logistic", alpha=1.5),
    ]
    return lab.pick(smoke=few, quick=few + more)


@check(cases)
def unreduced(lab, L, loss, alpha, stretch=1.0):
    """(u, v) integrated as they are, lambda = 0.05, against the reduction, at eight times."""
    X, kind, slope = data(lab, loss)
    lam, taus = 0.05, np.linspace(0.3, 2.4, 8)

    def velocity(_, theta):
        u, v = theta[:8], theta[8:]
        s = L * X.T @ slope(X @ (u**L - v**L)) / (5 * lam)
        return np.concatenate([s * u ** (L - 1), -s * v ** (L - 1)]) - theta

    start = alpha * np.ones(16)
    run = solve_ivp(velocity, (0, taus[-1]), start, "LSODA", taus, rtol=1e-12, atol=1e-14)
    if run.status != 0:
        raise SolverFailed(f"the unreduced flow stopped: {run.message}")
    net = DiagonalNet(X, L, math.log(alpha), math.log(stretch * lam), kind)
    worst = 0.0
    for point, theta in zip(diagonal_flow(net, taus, rtol=1e-12), run.y.T, strict=True):
        worst = max(worst, float(np.linalg.norm(point.theta - theta) / np.linalg.norm(theta)))
    yield row(L=L, loss=loss, alpha=alpha, distance=worst)
    yield approx("distance of theta, relative", worst).at_most(1e-8)


@check(
    lambda lab: [dict(loss=k) for k in lab.pick(smoke=["logistic"], quick=["logistic", "square"])]
)
def descent(lab, loss, decay=1.0):
    """Gradient descent, L = 2, alpha = 2, lambda = 0.05, to lambda t = 1; three learning rates."""
    X, kind, slope = data(lab, loss)
    lam, rates, errors = 0.05, (0.008, 0.004, 0.002), []
    (end,) = diagonal_flow(DiagonalNet(X, 2, math.log(2.0), math.log(lam), kind), [1.0], rtol=1e-10)
    for rate in rates:
        u, v = 2 * np.ones(8), 2 * np.ones(8)
        for _ in range(round(1 / lam / rate)):
            g = 2 * (X.T @ slope(X @ (u * u - v * v))) / 5
            u, v = u + rate * (g * u - decay * lam * u), v - rate * (g * v + decay * lam * v)
        errors.append(float(np.linalg.norm(np.r_[u, v] - end.theta) / np.linalg.norm(end.theta)))
    order = math.log(errors[0] / errors[-1]) / math.log(rates[0] / rates[-1])
    yield series(
        f"distance of gradient descent from the flow, {loss} loss",
        x=rates,
        y=errors,
        printed=[errors[-1] * r / rates[-1] for r in rates],
        xlabel="learning rate",
        ylabel="relative distance",
        log="xy",
        beside="order 1",
    )
    yield row(loss=loss, order=order, last=errors[-1])
    yield approx("order in the learning rate, minus 1", abs(order - 1)).at_most(0.1)


@check(
    lambda lab: [dict(loss=k) for k in lab.pick(smoke=["logistic"], quick=["logistic", "square"])]
)
def least_potential(lab, loss, shift=0.0):
    """L = 2: among all weights with the same outputs the flow has the least hypentropy."""
    X, kind, _ = data(lab, loss)
    net = DiagonalNet(X, 2, math.log(2.0), math.log(0.05), kind)
    free = np.linalg.svd(X)[2][5:]
    for point in diagonal_flow(net, [0.5, 1.0, 2.0], rtol=1e-11):
        scale, e = point.log_eps + shift, 1e-4
        here = hypentropy(point.w, scale)
        for k, z in enumerate(free):
            up, down = (hypentropy(point.w + t * e * z, scale) for t in (1, -1))
            bend = (up + down - 2 * here) / e**2
            yield approx(f"step to the minimum {k}", abs((up - down) / (2 * e) / bend)).at_most(
                1e-6
            )


reduction = Claim(
    id="lyu2024/diagonal-reduction",
    source=SOURCE,
    title="Diagonal nets with weight decay reduce exactly to one equation a sample",
    statement=(
        r"With $\epsilon = \alpha e^{-\lambda t}$ the flow conserves $u_k v_k = \epsilon^2$ ($L = "
        r"2$), $u_k^{2-L} + v_k^{2-L} = 2 \epsilon^{2-L}$ ($L > 2$), so that $u^L - v^L = "
        r"\epsilon^L \varphi_L(X^\top \rho)$ with $\dot\rho = \frac{2 L^2}{n} \epsilon^{L-2} r$ "
        r"for every loss; gradient descent of rate $\eta$ stays $O(\eta)$ close. For $L = 2$, $w$ "
        r"has the least hypentropy of parameter $2 \epsilon^2$ among weights with its outputs."
    ),
    hypotheses=(r"$u(0) = v(0) = \alpha (1, \dots, 1)$",),
    checks=(
        conserved.part("the conserved quantities"),
        unreduced,
        descent.part("gradient descent"),
        least_potential.part("the potential"),
    ),
    controls=(
        conserved.but(pull=2),
        conserved.but(decay=2),
        conserved.but(speed=2),
        unreduced.but(stretch=1.0001),
        descent.but(decay=1.05),
        least_potential.but(shift=0.05),
    ),
    origin="ours",
    gap="alpha up to 3 against the unreduced flow, which cannot go much further in doubles.",
)
