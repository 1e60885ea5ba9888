"""Lyu et al., Theorem B.1 (from Li, Wang and Arora 2022): SGD with label noise on diagonal nets.

Cost: seconds; closed forms with d = 40, one projected flow, and SGD runs of some 10^4 steps side
by side.
"""

import math

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.label_noise import drifted
from grokverify.symbolic import residue

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Theorem B.1",
    "2311.18817",
)

# (6)  theta <- theta - eta grad (f(theta; x_i) - y_i + xi)^2,  f = <u^2 - v^2, x>, xi ~ N(0, 1),
# from u = v = alpha 1, y = <w*, x> with a kappa-sparse w*, x ~ N(0, I), n < d samples.
# Where f fits the labels, H = 2/n sum grad f grad f', and the noise has covariance 4/n sum grad f
# grad f' = 2 H. So (Li, Wang & Arora) theta drifts by -1/2 P grad tr H in the time t = eta^2 steps,
#     tr H = 8 sum_k m_k (u_k^2 + v_k^2),   m_k = 1/n sum_i x_ik^2,
# P the projection on directions that keep the fit. Hence u_k v_k = alpha^2 e^(-16 m_k t) =: e_k and
#     w_k(t) = 2 e_k sinh z_k,  z in the row space of X,  X w = y.


def data(lab, d=40, n=24, kappa=2):
    X = lab.normal("X", n, d).cpu().numpy()
    w = np.zeros(d)
    w[:kappa] = lab.signs("w", kappa).cpu().numpy()
    return X, w


def loss(w, target):
    """Population loss over |w*|^2, for x ~ N(0, I)."""
    return float(((w - target) ** 2).sum() / (target**2).sum())


@check()
def symbols(lab, noise=2, trace=8):
    """d = 2, two samples: the covariance, the trace, and how the closed form drifts."""
    u, v, x1, x2 = (sp.Matrix(sp.symbols(f"{s}1:3")) for s in ("u", "v", "p", "q"))
    slopes = [
        sp.Matrix([*(2 * u[k] * x[k] for k in (0, 1)), *(-2 * v[k] * x[k] for k in (0, 1))])
        for x in (x1, x2)
    ]
    H = sum((2 * g * g.T for g in slopes), sp.zeros(4, 4)) / 2
    cover = sum((4 * g * g.T for g in slopes), sp.zeros(4, 4)) / 2  # E (2 xi grad f)(..)'
    yield residue("terms of the covariance - 2 H", cover - noise * H).equals(0)
    m = [(x1[k] ** 2 + x2[k] ** 2) / 2 for k in (0, 1)]
    told = trace * sum(m[k] * (u[k] ** 2 + v[k] ** 2) for k in (0, 1))
    yield residue("terms of tr H", H.trace() - told).equals(0)
    # u = sqrt(e) exp(z/2), v = sqrt(e) exp(-z/2), e' = -16 m e, any z' = Z in the row space:
    # theta' + 1/2 grad tr H is then a combination of the grad f_i, (u Z/2, -v Z/2)
    Z = sp.symbols("Z1:3")
    for k in (0, 1):
        du, dv = u[k] * (-8 * m[k] + Z[k] / 2), v[k] * (-8 * m[k] - Z[k] / 2)
        pull = trace * m[k]
        rest = [du + pull * u[k] - u[k] * Z[k] / 2, dv + pull * v[k] + v[k] * Z[k] / 2]
        yield residue("terms of theta' off the closed form", sp.Matrix(rest)).equals(0)


def worlds(lab):
    return [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))]


@check(worlds)
def projected(lab, sample, speed=1.0):
    """theta' = -1/2 P grad tr H by projection, d = 8, n = 4, from the limit of gradient flow."""
    X, target = data(lab, 8, 4, 1)
    y, m, times = X @ target, (X**2).mean(0), np.array([0.05, 0.15, 0.4])
    (first,) = drifted(X, y, 1.0, [0.0])
    z = np.arcsinh(first / 2)
    start = np.concatenate([np.exp(z / 2), np.exp(-z / 2)])

    def velocity(_, theta):
        pull = -speed * 8 * np.tile(m, 2) * theta
        J = np.hstack([X, -X]) * theta  # grad f / 2
        return pull - J.T @ np.linalg.solve(J @ J.T, J @ pull)

    run = solve_ivp(velocity, (0, 0.4), start, "DOP853", t_eval=times, rtol=1e-11, atol=1e-13)
    closed = drifted(X, y, 1.0, times)
    held = (run.y[:8] ** 2 - run.y[8:] ** 2).T
    gaps = [np.abs(a - b).max() for a, b in zip(held, closed, strict=True)]
    yield row(sample=sample, largest_gap=max(gaps))
    yield approx("largest difference in w", max(gaps)).at_most(1e-8)


def descended(lab, X, y, eta, steps, copies, noise=1.0):
    """SGD (6) in independent copies; w of shape (copies, d)."""
    n, d = X.shape
    u, v, rng = np.ones((copies, d)), np.ones((copies, d)), lab.generator("noise")
    for at in range(0, steps, 2000):
        size = min(2000, steps - at)
        chosen, xi = rng.integers(0, n, (size, copies)), rng.standard_normal((size, copies))
        for i, e in zip(chosen, noise * xi, strict=True):
            x = X[i]
            push = (4 * eta * (((u * u - v * v) * x).sum(1) - y[i] + e))[:, None] * x
            u, v = u - push * u, v + push * v
    return u * u - v * v


@check(worlds)
def by_descent(lab, sample, factor=1.0, noise=1.0):
    """The mean of copies of SGD, d = 6, n = 3, on the first data that drift by 0.4 |w*|."""
    eta, t, target = 4e-3, 0.15, np.eye(6)[0]
    for k in range(50):
        X = lab.normal(f"X{k}", 3, 6).cpu().numpy()
        X = X / np.linalg.norm(X, axis=1, keepdims=True) * math.sqrt(6)
        before, closed, there = drifted(X, X @ target, 1.0, [0.0, factor * t, t + 1e-9])
        moved = np.linalg.norm(before - there)
        if moved > 0.4:
            break
    w = descended(lab, X, X @ target, eta, round(t / eta**2), 128, noise)
    gap = np.linalg.norm(w.mean(0) - closed) / moved
    yield row(sample=sample, eta=eta, moved=moved, gap_over_moved=gap)
    yield approx("distance of SGD from the closed form over the drift", gap).at_most(0.2)


drift = Claim(
    id="lyu2024/label-noise-drift",
    source=SOURCE,
    title="The drift by label noise in closed form",
    statement=(
        r"At $k = t / \eta^2$ steps of (6), as $\eta \to 0$, the weights are $w_k = 2 \alpha^2 "
        r"e^{-16 m_k t} \sinh z_k$ with $m_k = \frac1n \sum_i x_{ik}^2$, $z$ in the row space of "
        r"$X$ and $X w = y$; $t = 0$ gives the limit of gradient flow."
    ),
    checks=(
        symbols.part("covariance, trace and drift"),
        projected.part("the drift, solved"),
        by_descent,
    ),
    controls=(
        symbols.but(noise=4),
        symbols.but(trace=4),
        projected.but(speed=1.01),
        by_descent.but(factor=0.5),
        by_descent.but(noise=0.0),
    ),
    assumes=("Li, Wang and Arora 2022: SGD follows the projected drift as the rate vanishes",),
    origin="ours",
    gap="SGD at one rate, d = 6, data that drift far, to a fifth of the drift; alpha = 1.",
)


@check(worlds)
def late(lab, sample, until=1.5, sparse=True, refit=True):
    """(3): zero training loss along the drift, and the population loss at growing t.

    Without ``refit`` the multipliers z stay where they were at t = 0.
    """
    X, target = data(lab)
    if not sparse:
        target = lab.normal("dense", 40).cpu().numpy()
    times = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]) * until
    ws = drifted(X, X @ target, 1.0, times)
    if not refit:
        ws = [ws[0] * np.exp(-16 * (X**2).mean(0) * t) for t in times]
    losses = [max(loss(w, target), 1e-16) for w in ws]
    if sample == 0:
        yield series(
            "population loss under label noise",
            x=times,
            y=losses,
            xlabel="t = eta^2 steps",
            ylabel="|w - w*|^2 / |w*|^2",
            log="y",
        )
    yield row(sample=sample, at_start=losses[0], at_end=losses[-1])
    residual = max(np.abs(X @ (w - target)).max() for w in ws)
    yield approx("training residual", residual).at_most(1e-5)
    yield approx("population loss at the end over |w*|^2", losses[-1]).at_most(1e-3)


@check(worlds)
def between(lab, sample, exponent=1.5):
    """(2): at T / eta^a steps the drift is at t = T eta^(2-a), near the limit of gradient flow."""
    X, target = data(lab)
    (start,) = drifted(X, X @ target, 1.0, [0.0])
    gaps = []
    for eta in (1e-2, 1e-4, 1e-6):
        (w,) = drifted(X, X @ target, 1.0, [eta ** (2 - exponent)])
        gaps.append(np.linalg.norm(w - start) / np.linalg.norm(target))
    order = math.log10(gaps[1] / gaps[2]) / 2
    yield row(sample=sample, gap=gaps[-1], order=order)
    yield approx("distance from the limit of gradient flow", gaps[-1]).at_most(0.05)
    yield approx("|order in eta - 1/2|", abs(order - 0.5)).at_most(0.05)


phases = Claim(
    id="lyu2024/label-noise-phases",
    source=SOURCE,
    title="Label noise first leaves the solution alone, then makes it generalise",
    statement=(
        r"(2) $\theta(T/\eta^a) \to \theta_{GF}$ for $a \in (1, 2)$; (3) $\theta(T/\eta^2) \to "
        r"\bar\theta(T)$, which has zero training loss, and whose population loss tends to 0 as $T "
        r"\to \infty$, for $n \ge C_1 \kappa \log d$."
    ),
    checks=(
        late.part("(3)").asymptotic("population loss at the end over |w*|^2"),
        between.part("(2)").asymptotic("distance from the limit of gradient flow"),
    ),
    controls=(
        late.but(until=0.1),
        late.but(sparse=False, until=0.75),
        late.but(refit=False),
        between.but(exponent=2.0),
    ),
    assumes=("Li, Wang and Arora 2022: SGD follows the projected drift as the rate vanishes",),
    uses=("lyu2024/label-noise-drift",),
    gap=(
        "Through the closed form of the drift; convergence in distribution is taken from Li, Wang "
        "and Arora. One size, d = 40, n = 24, kappa = 2; a = 3/2."
    ),
)
