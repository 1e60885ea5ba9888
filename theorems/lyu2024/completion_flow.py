"""Matrix completion under gradient flow: an exact reduction, and its limit curve.

Beside Lyu et al., Section 3.3.3 and equation (5). Cost: seconds; symbols for d = 2, flows and
gradient descent for d up to 8.
"""

import math

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from grokverify import Claim, Source, approx, check, row, series
from grokverify.completion import sampled
from grokverify.flows.matrix import limit_flow, matrix_flow
from grokverify.symbolic import residue

SOURCE = Source(
    "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    "Section 3.3.3",
    "2311.18817",
)

# (5)  L = 1/n sum_k (W_k - y_k)^2 + lambda/2 (|U|_F^2 + |V|_F^2),  W = U U' - V V'
# With G the symmetric gradient of the first term in W:
#      U' = -(2 G + lambda) U,   V' = (2 G - lambda) V   =>   (V'U)' = -2 lambda V'U
# From U(0) = V(0) = alpha I, eps = alpha e^(-lambda t):  V = eps^2 U^-T, and with
#      Q = U U' / eps^2 = e^K:  W = eps^2 (Q - 1/Q) = 2 eps^2 sinh K,  Q' = -2 (G Q + Q G),
# which in the eigenbasis of K, k_a its eigenvalues, reads
#      K'_ab = -4 G_ab psi(k_a - k_b),  psi(x) = x/2 coth(x/2).


@check()
def invariant(lab, symmetric=True, rate=2, weight=2):
    """d = 2, everything symbolic."""
    U = sp.Matrix(2, 2, sp.symbols("u1:5"))
    V = sp.Matrix(2, 2, sp.symbols("v1:5"))
    lam, e = sp.symbols("lambda epsilon")
    a, b, c, skew = sp.symbols("a b c s")
    G = sp.Matrix([[a, b], [b if symmetric else skew, c]])
    dU, dV = -(2 * G + lam * sp.eye(2)) * U, (2 * G - lam * sp.eye(2)) * V
    left = dV.T * U + V.T * dU + rate * lam * V.T * U
    yield residue("terms of (V'U)' + 2 lambda V'U", left).equals(0)
    Q = U * U.T / e**2
    dQ = (dU * U.T + U * dU.T) / e**2 + rate * lam * Q  # as eps' = -lambda eps
    yield residue("terms of Q' + 2 (G Q + Q G)", dQ + 2 * (G * Q + Q * G.T)).equals(0)
    other = e**weight * U.inv().T  # the V that V'U = eps^2 leaves
    back = other * other.T / e**2 - Q.inv()
    yield residue("terms of V V' / eps^2 - 1/Q", back).equals(0)


@check()
def logarithm(lab, power=1):
    """One entry of K and of Q in the eigenbasis of K, with x = e^(k_a) and y = e^(k_b)."""
    g, gap, x, y = sp.symbols("g Delta x y")
    psi = gap / 2 * ((x + y) / (x - y)) ** power
    dK = -4 * g * psi
    dQ = (x - y) / gap * dK  # derivative of the exponential in the eigenbasis
    yield residue("terms of the entry of Q'", dQ + 2 * g * (x + y)).equals(0)


def instance(lab, d, n, rank):
    """A symmetric matrix of low rank, n of its cells, and which these are."""
    A = lab.normal("factor", d, rank)
    X = (A @ A.T / d).cpu().numpy()
    cells = lab.subset("cells", d * d, n).cpu()
    return X, cells


def unreduced(X, cells, U, V, lam, t):
    """U and V under minus the gradient of (5), summed observation by observation."""
    d, n = len(X), len(cells)
    i, j = np.divmod(np.asarray(cells), d)
    y = X[i, j]

    def velocity(_, theta):
        A, B = theta.reshape(2, d, d)
        gap = 2 / n * ((A[i] * A[j]).sum(1) - (B[i] * B[j]).sum(1) - y)[:, None]
        dA, dB = -lam * A, -lam * B
        np.add.at(dA, i, -gap * A[j])
        np.add.at(dA, j, -gap * A[i])
        np.add.at(dB, i, gap * B[j])
        np.add.at(dB, j, gap * B[i])
        return np.concatenate([dA.ravel(), dB.ravel()])

    start = np.concatenate([U.ravel(), V.ravel()])
    run = solve_ivp(velocity, (0, t[-1]), start, "DOP853", t_eval=t, rtol=1e-11, atol=1e-12)
    return [x.reshape(2, d, d) for x in run.y.T]


@check(lambda lab: [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))])
def against_the_factors(lab, sample, decay=1.0, start=1.0):
    """U and V by an explicit method, against K by a stiff one."""
    d, n, alpha, lam = 4, 9, 2.0, 0.05
    X, cells = instance(lab, d, n, 1 + sample % 2)
    taus = np.linspace(0.25, 3.0, 12)
    plain = unreduced(X, cells, alpha * np.eye(d), alpha * np.eye(d), lam, taus / lam)
    short = matrix_flow(sampled(X, cells), alpha * start, lam * decay, taus * decay, rtol=1e-12)
    gaps = [np.abs(p.W - (U @ U.T - V @ V.T)).max() for p, (U, V) in zip(short, plain, strict=True)]
    held = [
        np.abs(V.T @ U * math.exp(2 * tau) - (alpha * start) ** 2 * np.eye(d)).max()
        for tau, (U, V) in zip(taus, plain, strict=True)
    ]
    norms = [
        abs(p.norm2 / ((U**2).sum() + (V**2).sum()) - 1)
        for p, (U, V) in zip(short, plain, strict=True)
    ]
    yield row(sample=sample, largest_gap=max(gaps), invariant=max(held))
    yield approx("largest difference in W", max(gaps)).at_most(1e-8)
    yield approx("|V'U e^(2 lambda t) - alpha^2 I|", max(held)).at_most(1e-8)
    yield approx("relative difference in |U|^2 + |V|^2", max(norms)).at_most(1e-8)


def descended(X, cells, alpha, lam, rate, taus):
    """Plain gradient descent on (5); W at the given lambda t."""
    problem, d = sampled(X, cells), len(X)
    U = V = alpha * np.eye(d)
    at, steps = [], np.rint(np.asarray(taus) / lam / rate).astype(int)
    for k in range(1, steps[-1] + 1):
        G = problem.gradient(U @ U.T - V @ V.T)
        U, V = U - rate * (2 * G @ U + lam * U), V + rate * (2 * G @ V - lam * V)
        if k in steps:
            at.append(U @ U.T - V @ V.T)
    return at, int(steps[-1])


@check(lambda lab: [dict(sample=s) for s in range(lab.pick(smoke=1, quick=2, standard=4))])
def against_descent(lab, sample, decay=1.0):
    """Halving the learning rate halves the distance between descent and flow."""
    d, n, alpha, lam = 6, 16, 3.0, 0.04
    X, cells = instance(lab, d, n, 1)
    taus = np.arange(0.4, 2.81, 0.4)
    flow = matrix_flow(sampled(X, cells), alpha, lam * decay, taus * decay)
    gaps = {}
    for rate in (0.04, 0.02):
        W, steps = descended(X, cells, alpha, lam, rate, taus)
        gaps[rate] = max(np.abs(p.W - w).max() for p, w in zip(flow, W, strict=True))
    order = math.log2(gaps[0.04] / gaps[0.02])
    yield row(rate=0.02, gap=gaps[0.02], steps=steps, evaluations=flow[0].evaluations)
    if sample == 0:
        yield series(
            "distance of gradient descent from the flow",
            x=list(gaps),
            y=list(gaps.values()),
            xlabel="learning rate",
            ylabel="largest difference in W along the run",
            log="xy",
        )
    yield approx("|order in the learning rate - 1|", abs(order - 1)).at_most(0.1)


reduction = Claim(
    id="lyu2024/completion-reduction",
    source=SOURCE,
    title="Matrix completion reduces to one symmetric matrix K",
    statement=(
        r"Along gradient flow of (5), $V^\top U = e^{-2\lambda t} V(0)^\top U(0)$. From "
        r"$U(0) = V(0) = \alpha I$, with $\varepsilon = \alpha e^{-\lambda t}$: $W = 2 "
        r"\varepsilon^2 \sinh K$ where $\dot K_{ab} = -4 \psi(k_a - k_b) G_{ab}$ in the eigenbasis "
        r"of $K$, $\psi(x) = \frac{x}{2} \coth\frac{x}{2}$, and $K(0) = 0$. Gradient descent "
        r"follows it up to $O(\eta)$."
    ),
    checks=(
        invariant.part("the invariant and Q"),
        logarithm.part("from Q to K"),
        against_the_factors,
        against_descent.part("gradient descent"),
    ),
    controls=(
        invariant.but(symmetric=False),
        invariant.but(rate=1),
        invariant.but(weight=1),
        logarithm.but(power=-1),
        against_the_factors.but(decay=1.001),
        against_the_factors.but(start=1.001),
        against_descent.but(decay=1.1),
    ),
    origin="ours",
    gap="Symbols for d = 2; the flows compared have d = 4 and d = 6.",
)


# As lambda and 1/alpha tend to 0, in sigma = lambda t - log alpha, observed entries stay fitted:
#      dK/dsigma = -2 psi(ad_K) Gamma,  Gamma on the observed entries only, fixed by dW = 0 there.


def times(lab):
    return np.linspace(-1.5, 3.0, 10)


@check(lambda lab: [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))])
def approach(lab, sample, offset=0.0, clock="log alpha"):
    """Distance to the limit curve for two weak decays at one alpha, and for two alphas."""
    X, cells = instance(lab, 6, 20, 1)
    problem, s = sampled(X, cells), times(lab)
    limit = limit_flow(problem, s + offset)
    size = np.abs(X).max()

    def distance(alpha, lam):
        shift = math.log(alpha) if clock == "log alpha" else math.log(30.0)
        flow = matrix_flow(problem, alpha, lam, s + shift)
        return max(np.abs(p.W - q.W).max() for p, q in zip(flow, limit, strict=True)) / size

    lams = [1e-5, 1e-6]
    gaps = [distance(30.0, lam) for lam in lams]
    order = math.log10(gaps[0] / gaps[1])
    larger = distance(60.0, lams[1])
    yield row(sample=sample, gap=gaps[1], at_larger_alpha=larger, order=order)
    if sample == 0:
        yield series(
            "distance from the limit curve",
            x=lams,
            y=gaps,
            xlabel="weight decay lambda",
            ylabel="largest difference in W over the largest entry",
            log="xy",
        )
    yield approx("distance at lambda = 1e-6", gaps[1])
    yield approx("|order in lambda - 1|", abs(order - 1)).at_most(0.05)
    yield approx("|distance at another alpha / distance - 1|", abs(larger / gaps[1] - 1)).at_most(
        0.02
    )


@check(lambda lab: [dict(sample=s) for s in range(lab.pick(smoke=1, quick=3, standard=10))])
def stationary(lab, sample, power=1, keep=True):
    """The limit curve by differences: P(W) stays, and Gamma from dK vanishes off the entries."""
    X, cells = instance(lab, 6, 20, 1)
    problem, h = sampled(X, cells), 1e-3
    worst = 0.0
    for s in (-0.5, 0.5, 1.5):
        before, here, after = limit_flow(problem, [s - h, s, s + h], rtol=1e-12)
        dK = (after.K - before.K) / (2 * h)
        k, B = np.linalg.eigh(here.K)
        gap = (k[:, None] - k[None, :]) / 2
        psi = np.where(gap == 0, 1.0, gap / np.tanh(np.where(gap == 0, 1.0, gap)))
        gamma = B @ ((B.T @ dK @ B) / (-2 * psi**power)) @ B.T
        worst = max(worst, np.abs(gamma[~problem.mask()]).max() / np.abs(gamma).max())
        drift = np.abs(problem.residuals(here.W * (1.0 if keep else 1.001))).max()
        yield approx("drift of observed entries", drift / np.abs(X).max()).at_most(1e-7)
    yield row(sample=sample, off_the_entries=worst)
    yield approx("Gamma off the observed entries", worst).at_most(1e-4)


limit_curve = Claim(
    id="lyu2024/completion-limit-curve",
    source=SOURCE,
    title="Matrix completion with weak decay follows one curve without parameters",
    statement=(
        r"As $\lambda \to 0$ and $\alpha \to \infty$ the flow of (5) from $\alpha I$, in "
        r"$\sigma = \lambda t - \log\alpha$, tends to a curve on which the observed entries are "
        r"fitted and $\frac{dK}{d\sigma} = -2 \psi(\mathrm{ad}_K) \Gamma$ with $\Gamma$ supported "
        r"on them; the distance is of order $\lambda$ and does not depend on $\alpha$."
    ),
    checks=(
        approach.asymptotic("distance at lambda = 1e-6"),
        stationary.part("the equations of the curve"),
    ),
    controls=(
        approach.but(offset=0.1),
        approach.but(clock="log 30"),
        stationary.but(power=-1),
        stationary.but(keep=False),
    ),
    origin="ours",
    uses=("lyu2024/completion-reduction",),
    gap="d = 6, positive semi-definite targets; alpha = 30 and 60, sigma between -1.5 and 3.",
)
