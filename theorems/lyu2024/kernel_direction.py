"""Lyu et al., Theorem 3.4 and Corollary 3.6: the direction in the kernel regime, with its rate.

Exact reductions at alpha up to 1e128, and the net itself in sums and differences of its weights at
moderate alpha. Cost: seconds.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.integrate import solve_ivp

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.diagonal import DiagonalNet, diagonal_flow
from grokverify.limits import log_limit
from grokverify.margin_paths import l2_path
from grokverify.margins import SolverFailed, max_margin

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# Diagonal net, w = u^L - v^L, u(0) = v(0) = alpha, lambda = alpha^-p, T = (1 - c)/lambda log alpha.
#   w(T) / |w(T)| -> w^, the unit vector of maximum l2 margin gamma on the rows X_i = y_i x_i.
# Until then w follows w_B = argmin 2 L^2 B / n sum exp(-q_i) + L/2 |w|^2, B = alpha^(2(L-1)c + p),
# and w_B = log(B) w~ + rho + o(1) up to a multiple of w~, w~ = X' a = w^ / gamma (a: multipliers),
# <X_i, rho> = -log a_i + const on the support S. Hence the sharp rate
#   |w / |w| - w^| log B -> gamma |P rho|,  P the projection orthogonal to w^.


DIGITS = (32, 64, 128)  # of alpha


def sparse_rows(lab, n=16, d=40, k=3):
    """y_i x_i for x_i uniform on {-1, 1}^d and labels from a k-sparse sign vector.

    Drawn until samples off the support stand clear, so that logs of 1e128 are large for them too.
    """
    for j in range(40):
        x = lab.signs(f"x{j}", n, d).cpu().numpy()
        X = x * np.sign(x[:, :k] @ lab.signs(f"w*{j}", k).cpu().numpy())[:, None]
        best = max_margin(X)
        a = best.multipliers[best.support]
        if best.slack(X) > 0.05 and a.min() > 0.03 * a.max():
            return X, best
    raise ValueError("none of 40 data sets had slacks above 0.05.")


def angle_constant(X, best):
    """gamma |P X_S' (X_S X_S')^-1 log a_S|."""
    S = X[best.support]
    rho = S.T @ np.linalg.solve(S @ S.T, np.log(best.multipliers[best.support]))
    unit = best.w * best.margin
    return float(np.linalg.norm(rho - unit * (unit @ rho)) * best.margin)


def sines(w, unit):
    """Sine of the angle between w and a unit vector."""
    return float(np.linalg.norm(w / np.linalg.norm(w) - unit * (unit @ w) / np.linalg.norm(w)))


def cases(lab):
    few = [dict(L=2, c=0.5, p=1.0)]
    more = [dict(L=3, c=0.25, p=1.0), dict(L=2, c=0.75, p=0.5)]
    return lab.pick(smoke=few, quick=few + more)


@lru_cache(maxsize=64)  # controls change what is compared, and repeat the flows
def flow_weights(lab, L, c, p, clock, start):
    X, best = sparse_rows(lab)
    weights = []
    for digits in DIGITS:
        log_alpha = digits * math.log(10)
        net = DiagonalNet(X, L, start * log_alpha, -p * log_alpha)
        (point,) = diagonal_flow(net, [clock * (1 - c) * log_alpha])
        weights.append(point.w)
    return X, best, weights


@check(cases)
def rate(lab, L, c, p, norm=2.0, clock=1.0, factor=1.0, start=1.0):
    """The angle times log B at alpha = 1e32 ... 1e128, extrapolated; from alpha^start."""
    X, best, weights = flow_weights(lab, L, c, p, clock, start)
    other = max_margin(X, norm).w
    unit, told = other / np.linalg.norm(other), factor * angle_constant(X, best)
    angles = [sines(w, unit) for w in weights]
    logs = [(2 * (L - 1) * c + p) * digits * math.log(10) for digits in DIGITS]
    limit, change = log_limit(logs, [a * l for a, l in zip(angles, logs, strict=True)])
    yield row(L=L, c=c, p=p, last_angle=angles[-1], constant=limit, predicted=told)
    yield series(
        f"angle to the max-margin separator, L={L}, c={c:g}, p={p:g}",
        x=logs,
        y=angles,
        printed=[told / l for l in logs],
        xlabel="log B",
        ylabel="radians",
        log="xy",
        beside="its leading order",
    )
    yield approx("angle times log B", limit, change).beside(printed=told)
    yield approx("angle constant over its prediction, minus 1", abs(limit / told - 1)).at_most(0.01)


def unreduced(X, log_alpha, lam, tau, ratio):
    """(u + v, u - v) of the flow of w = u^2 - v^2, v(0) = ratio u(0), at tau."""
    n, d = X.shape
    clock = math.log1p(1e3 * math.exp(2 * log_alpha) / lam * tau)
    speed = tau / math.expm1(clock)

    def velocity(sigma, z):
        s, f = z[:d], z[d:]
        g = X.T @ np.exp(np.minimum(-X @ (f * s), 100.0)) / (n * lam)
        moved = np.concatenate([2 * g * f - s, 2 * g * s - f])
        return speed * math.exp(sigma) * moved

    start = math.exp(log_alpha) * np.concatenate(
        [(1 + ratio) * np.ones(d), (1 - ratio) * np.ones(d)]
    )
    run = solve_ivp(velocity, (0, clock), start, "LSODA", rtol=1e-8, atol=1e-10)
    if run.status != 0:
        raise SolverFailed(f"the unreduced flow stopped: {run.message}")
    return run.y[:d, -1], run.y[d:, -1]


@check(lambda lab: [dict(alpha=a) for a in lab.pick(smoke=(30.0,), quick=(10.0, 30.0, 100.0))])
def net_itself(lab, alpha, ratio=1.0, decay=1.0):
    """L = 2, p = 1, c = 1/2: w from (u, v) themselves against w_B, the path's minimiser."""
    X, best = sparse_rows(lab, 8, 16)
    log_alpha, tau = math.log(alpha), 0.5 * math.log(alpha)
    s, f = unreduced(X, log_alpha, decay / alpha, decay * tau, ratio)
    w = f * s
    (path,) = l2_path(X, [math.log(8 / len(X) / 2) + 2 * (log_alpha - tau) + log_alpha])
    off = float(np.linalg.norm(w - path.w) / np.linalg.norm(path.w))
    angle = float(1 - w @ best.w / np.linalg.norm(w) / np.linalg.norm(best.w))
    yield row(alpha=alpha, distance_to_path=off, one_minus_cosine=angle)
    lag = off * (2 * log_alpha) ** 2  # the flow is behind by a shift of order 1 / log B in log B
    yield approx("distance to the path, relative, times log^2 B", lag).at_most(2)


direction = Claim(
    id="lyu2024/kernel-direction",
    source=Source(PAPER, "Theorem 3.4 (direction), Corollary 3.6", "2311.18817"),
    title="Until (1 - c)/lambda log alpha the net is the maximum l2-margin classifier",
    statement=(
        r"For diagonal nets $w(T_c^-) / \lVert w \rVert$ tends to the maximum $\ell_2$-margin "
        r"direction $\hat w$ for every $c \in (0, 1)$, and with $B = \alpha^{2(L-1)c} / \lambda$, "
        r"$a$ the multipliers, $S$ their support and $P$ the projection orthogonal to $\hat w$: "
        r"$\lVert \frac{w}{\lVert w \rVert} - \hat w \rVert \log B \to \gamma \lVert P X_S^\top "
        r"(X_S X_S^\top)^{-1} \log a_S \rVert$."
    ),
    hypotheses=(
        r"exponential loss, $\lambda = \alpha^{-p}$, separable data",
        "the multipliers of the support are unique and positive",
    ),
    checks=(
        rate.asymptotic("angle constant over its prediction, minus 1"),
        net_itself.asymptotic("distance to the path, relative, times log^2 B"),
    ),
    controls=(
        rate.but(norm=1.0),
        rate.but(clock=2.0),
        rate.but(factor=1.05),
        rate.but(start=-1.0),  # a small start has no kernel regime
        net_itself.but(ratio=0.99),
        net_itself.but(decay=1.5),
    ),
    gap="Boolean data whose slacks stand clear of 0. The sharp rate is ours; the paper has none.",
)
