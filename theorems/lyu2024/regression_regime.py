"""Lyu et al., Theorems 3.9 and 3.10 on diagonal nets: regression, with exponents.

Also the curve without lambda that joins the two regimes. Cost: seconds.
"""

import math
from functools import lru_cache

import numpy as np

from grokverify import Claim, Lab, Source, approx, check, row, series
from grokverify.flows.diagonal import DiagonalNet, Square, diagonal_flow
from grokverify.flows.hypentropy import interpolants
from grokverify.l1_paths import lasso, lasso_gap

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# Square loss 1/n sum (f_i - y_i)^2, lambda = alpha^-p, T = (1 -+ c)/lambda log alpha. At first w
# follows ridge regression, w = X' (X X' + rho)^-1 y with rho = n lambda / (4 L eps^(2L-2)), which
# is off the interpolant w2 = X^+ y by lambda eps^-(2L-2) = alpha^-(p + 2(L-1)c), and phi_L(y) = y +
# O(y^3) is off its linear part by eps^-2L = alpha^-2Lc (odd: not eps^-L, as for other nets). So
#   log |w - w2| / log alpha -> -min(p + 2(L-1)c, 2Lc),   log |w - ridge| / log alpha -> -2Lc.
# Later w is near argmin 1/n |X w - y|^2 + lambda/2 |w|_1.


def targets(lab, n=10, d=30):
    """Gaussian inputs, and targets from a 3-sparse weight."""
    X, signs = lab.normal("X", n, d).cpu().numpy(), lab.signs("w*", 3).cpu().numpy()
    return X, X[:, :3] @ (signs * np.array([1.0, 1.0, 2.0]))


def kernel_exponent(L, c, p):
    return min(p + 2 * (L - 1) * c, 2 * L * c)


def without_oddness(L, c, p):
    return min(p + 2 * (L - 1) * c, L * c)


def without_ridge(L, c, p):
    return 2 * L * c


def triples(lab):
    few = [(2, 0.25, 2.0), (2, 0.75, 0.5)]
    more = [(2, 0.5, 0.25), (3, 0.5, 0.25)]
    chosen = lab.pick(smoke=few, quick=few + more)
    return [dict(L=L, c=c, p=p) for L, c, p in chosen]


def data_of(lab):
    """Both checks look at the same runs: a stream of the seed alone."""
    return Lab(seed=lab.seed).shared("regression")


@lru_cache(maxsize=64)  # controls change what is compared, and repeat the flows
def kernel_errors(lab, L, c, p, clock):
    """(log alpha, |w - w2|, |w - ridge|) relative, for four alphas."""
    X, y = targets(lab, 5, 40)  # well conditioned: few samples
    w2 = np.linalg.pinv(X) @ y
    found = []
    for digits in (1.5, 2.0, 2.5, 3.0) if L == 2 else (1.0, 1.4, 1.7, 2.0):
        log_alpha = digits * math.log(10)
        net = DiagonalNet(X, L, log_alpha, -p * log_alpha, Square(y))
        (point,) = diagonal_flow(net, [clock * (1 - c) * log_alpha], rtol=1e-10)
        rho = L / 2 * math.exp(-net.log_gain(point.tau))  # gain 2 (y - q) = L p
        ridge = X.T @ np.linalg.solve(X @ X.T + rho * np.eye(len(X)), y)
        size = np.linalg.norm(w2)
        errors = (float(np.linalg.norm(point.w - v) / size) for v in (w2, ridge))
        found.append((log_alpha, *errors))
    return found


@check(triples)
def interpolant(lab, L, c, p, exponent=kernel_exponent, clock=1.0):
    """The slope of log |w - w2| in log alpha between the last two scales."""
    found = kernel_errors(data_of(lab), L, c, p, clock)
    logs, errors = [f[0] for f in found], [f[1] for f in found]
    slope = -math.log(errors[-1] / errors[-2]) / (logs[-1] - logs[-2])
    told = exponent(L, c, p)
    yield series(
        f"distance to the kernel interpolant, L={L}, c={c:g}, p={p:g}",
        x=[l / math.log(10) for l in logs],
        y=errors,
        printed=[errors[-1] * math.exp(-told * (l - logs[-1])) for l in logs],
        xlabel="log10 alpha",
        ylabel="relative distance",
        log="y",
        beside="predicted slope",
    )
    yield row(L=L, c=c, p=p, slope=slope, predicted=told, last=errors[-1])
    yield approx("exponent of the distance minus prediction", abs(slope - told)).at_most(0.02)


@check(triples)
def ridge(lab, L, c, p, odd=2):
    """The same for the distance to ridge regression: the error of linearisation alone."""
    found = kernel_errors(data_of(lab), L, c, p, 1.0)
    slope = -math.log(found[-1][2] / found[-2][2]) / (found[-1][0] - found[-2][0])
    yield row(L=L, c=c, p=p, slope=slope, predicted=odd * L * c)
    yield approx("exponent of the linearisation", abs(slope - odd * L * c)).at_most(0.02)


kernel = Claim(
    id="lyu2024/regression-kernel",
    source=Source(PAPER, "Theorem 3.9, Theorem D.7, Lemmas D.3 and D.5", "2311.18817"),
    title="Until (1 - c)/lambda log alpha the net is the minimum-norm kernel interpolant",
    statement=(
        r"With the square loss diagonal nets satisfy $w(T_c^-) \to X^+ y$ for every "
        r"$c \in (0, 1)$, at the distance $\alpha^{-\min(p + 2(L-1)c, 2Lc)}$ exactly to order; "
        r"from ridge regression with the current strength they are $\alpha^{-2Lc}$ away."
    ),
    hypotheses=(r"$\lambda = \alpha^{-p}$, independent inputs", "square loss"),
    checks=(
        interpolant.asymptotic("exponent of the distance minus prediction"),
        ridge.asymptotic("exponent of the linearisation"),
    ),
    controls=(
        interpolant.but(exponent=without_oddness),
        interpolant.but(exponent=without_ridge),
        interpolant.but(clock=1.2),
        ridge.but(odd=1),
    ),
    gap="alpha up to 1e3, beyond which rounding in the residuals decides. Diagonal nets only.",
)


def scales(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=1, quick=3))]


@lru_cache(maxsize=64)
def late(lab, clock):
    """(lambda, KKT residual, norm, largest multiplier, excess over the LASSO), c = 1."""
    X, y = targets(lab)
    found = []
    for digits in (1.0, 2.0, 3.0):
        log_alpha = digits * math.log(10)
        net = DiagonalNet(X, 2, log_alpha, -log_alpha, Square(y))
        (point,) = diagonal_flow(net, [clock * 2 * log_alpha])
        best = lasso(X, y, 0.5 * math.exp(-log_alpha))
        # the penalised loss over its minimum: weights that barely pay fade slowly and cost little
        loss = [
            float(np.square(X @ w - y).mean() + best.lam * np.abs(w).sum())
            for w in (point.w, best.w)
        ]
        off = loss[0] / loss[1] - 1
        norm, top = float(np.linalg.norm(point.theta)), float(np.abs(point.pull).max())
        found.append((math.exp(-log_alpha), point.kkt(), norm, top, off))
    return found


@check(scales)
def late_kkt(lab, sample, clock=1.0):
    """|theta - sum mu_i grad f_i| / |theta|, mu = -2 s_i / (n lambda), at 2/lambda log alpha."""
    found = late(lab, clock)
    yield series(
        "KKT residual at 2/lambda log alpha",
        x=[f[0] for f in found],
        y=[f[1] for f in found],
        printed=[f[4] for f in found],
        xlabel="lambda = 1 / alpha",
        ylabel="residual",
        log="xy",
        beside="excess over the LASSO",
    )
    last = found[-1]
    yield row(sample=sample, residual=last[1], norm=last[2], multiplier=last[3], excess=last[4])
    yield approx("KKT residual at alpha = 1e3", last[1]).at_most(0.25)
    yield approx("fall of the residual over two decades", last[1] / found[0][1]).at_most(0.6)
    yield approx("norm over its value at alpha = 10", last[2] / found[0][2]).at_most(2)
    yield approx("fall of the excess over the LASSO", last[4] / found[0][4]).at_most(0.5)


@check(scales)
def reference(lab, sample, wrong=0.0):
    """The duality gap of the LASSO that the flow is compared with, in rational arithmetic."""
    X, y = targets(lab)
    best = lasso(X, y, 5e-4)
    if wrong:
        best = type(best)((1 + wrong) * best.w, best.dual, best.lam, best.gap)
    yield lasso_gap("duality gap of the LASSO", X, y, best).at_most(1e-10)


rich = Claim(
    id="lyu2024/regression-rich",
    source=Source(PAPER, "Theorem 3.10, Lemma D.8", "2311.18817"),
    title="By (1 + c)/lambda log alpha the net is near a KKT point of least norm",
    statement=(
        r"With the square loss $\lVert\theta\rVert$ stays bounded from $\frac{1}{\lambda} \log"
        r"\alpha$ on, and there are times $\frac{1}{\lambda} \log\alpha \le t \le \frac{1+c}"
        r"{\lambda} \log\alpha$ such that all limit points of $\theta(t)$ as $\alpha \to \infty$ "
        r"are KKT points of $\min \frac{1}{2} \lVert\theta\rVert^2$ s.t. $f_i(\theta) = y_i$ where "
        r"the gradients of the $f_i$ are independent; for two-layer diagonal nets $w$ tends to the "
        r"LASSO."
    ),
    hypotheses=("square loss", "independent gradients at the limit (not said in the paper)"),
    checks=(
        late_kkt.asymptotic("KKT residual at alpha = 1e3"),
        reference.part("the reference optimiser"),
    ),
    controls=(late_kkt.but(clock=0.4), reference.but(wrong=1e-3)),
    corrects=("lyu2024/regression-last-step-printed",),
    gap="Diagonal nets of depth 2, alpha up to 1e3. That the window suffices is measured.",
)


@check(lambda lab: [dict(L=L) for L in lab.pick(smoke=(2,), quick=(2, 3))])
def joined(lab, L, power=1.0, stretch=0.0):
    """sup over lambda t - log alpha in [-2, 4] of |w - w_eps|, for lambda = 1/alpha."""
    X, y = targets(lab)
    grid = np.linspace(-2.0, 4.0, 13)
    curve = interpolants(X, y, stretch - grid, depth=L)
    logs, errors = [], []
    for digits in (1.5, 2.0, 2.3) if L == 2 else (1.2, 1.5, 1.8):
        log_alpha = digits * math.log(10)
        net = DiagonalNet(X, L, log_alpha, -log_alpha, Square(y))
        run = diagonal_flow(net, log_alpha + grid).weights()
        errors.append(float(np.linalg.norm(run - curve, axis=1).max() / np.linalg.norm(y)))
        logs.append(log_alpha)
    slope = math.log(errors[-1] / errors[-2]) / (logs[-1] - logs[-2])
    start = np.linalg.norm(curve - curve[0], axis=1)
    yield row(L=L, slope=slope, last=errors[-1])
    yield series(
        f"L = {L}",
        plot="way along the curve without lambda",
        x=grid,
        y=start / start[-1],
        xlabel="lambda t - log alpha",
        ylabel="distance from the start over the whole",
    )
    yield approx("order of the distance in lambda, minus 1", abs(slope + power)).at_most(0.1)


@check(lambda lab: [dict(L=L) for L in lab.pick(smoke=(2,), quick=(2, 3))])
def ends(lab, L, first=2.0, last=-6.0):
    """From least l2 norm (pseudo-inverse) towards least l1 norm (LASSO with a tiny penalty)."""
    X, y = targets(lab)
    early, late_ = interpolants(X, y, [10.0, last * (4 - L)], depth=L)
    least = np.linalg.pinv(X) @ y if first == 2 else lasso(X, y, 1e-9).w
    small = np.abs(lasso(X, y, 1e-9).w).sum()
    yield approx(
        "distance of its start", np.linalg.norm(early - least) / np.linalg.norm(y)
    ).at_most(1e-6)
    yield approx("l1 norm at its end over the least", np.abs(late_).sum() / small).at_most(1.05)
    yield approx("l1 norm at its start over the least", np.abs(early).sum() / small)


family = Claim(
    id="lyu2024/regression-curve",
    source=Source(PAPER, "Theorems 3.9 and 3.10 together", "2311.18817"),
    title="As lambda -> 0 the transition in regression is one curve in lambda t - log alpha",
    statement=(
        r"With $\epsilon = \alpha e^{-\lambda t}$ and $\lambda \to 0$, $w(t) = w_\epsilon + "
        r"O(\lambda)$ where $w_\epsilon = \epsilon^L \varphi_L(X^\top \rho)$, $X w_\epsilon = y$: "
        r"for $L = 2$ the least hypentropy of parameter $2 \epsilon^2$. So there is no $\log\log$ "
        r"in the time of the transition, and its width is constant."
    ),
    hypotheses=("square loss, independent inputs", r"$\lambda = 1 / \alpha$"),
    checks=(joined.asymptotic("order of the distance in lambda, minus 1"), ends.part("its ends")),
    controls=(
        joined.but(power=2.0),
        joined.but(stretch=0.1),
        ends.but(first=1.0),
        ends.but(last=0.0),
    ),
    origin="ours",
    uses=("lyu2024/regression-kernel", "lyu2024/regression-rich"),
    gap="alpha up to 200.",
)
