"""Gradient descent on separable data with a linear model (Soudry et al. 2018), and exact rates.

The kernel regime of Lyu et al. rests on it. Cost: seconds; the flow is integrated in log t, plain
gradient descent runs up to 2^16 steps in d = 60 dimensions.
"""

import math

import numpy as np

from grokverify import Claim, Source, approx, check, row, series
from grokverify.flows.linear import horizon, linear_flow
from grokverify.margin_paths import extrapolated
from grokverify.margins import max_margin, normalised_margin, path_constant

SOURCE = Source(
    "Soudry et al., The Implicit Bias of Gradient Descent on Separable Data (behind Lyu et al.)",
    "Theorem 3",
    "1710.10345",
)

# dw/dt = -grad L with L(w) = 1/n sum_i exp(-q_i), q = X w, X_i = y_i x_i. The multipliers a >= 0 of
#   w^ = argmin |w|^2 s.t. X w >= 1,  w^ = X' a,  sum a = 1 / gamma^2
# make w(t) = w^ log t + rho consistent: exp(-q_i) / n = a_i / t on the support vectors, that is
#   x_i . rho = -log(n a_i).   Hence t L -> sum a = 1 / gamma^2.


def samples(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=2, quick=4, standard=16))]


def long_flow(lab):
    """A flow from a Gaussian start, at five doublings of log t until transients are gone."""
    X, w0 = lab.normal("X", 12, 16).cpu().numpy(), lab.normal("w0", 16).cpu().numpy()
    best = max_margin(X)
    end = horizon(X, best, folds=120.0)
    return X, best, linear_flow(X, w0, [end / 2**k for k in (4, 3, 2, 1, 0)])


@check(samples)
def flow_direction(lab, sample, norm=2.0, speed=1.0):
    """The flow in logarithmic time against the quadratic programme."""
    X, _, points = long_flow(lab)
    what = max_margin(X, norm).w
    unit, size = what / np.linalg.norm(what), np.linalg.norm(what)
    s = [p.log_time for p in points]
    rho = [p.w - speed * what * p.log_time for p in points]
    yield approx("drift of rho", np.linalg.norm(rho[-1] - rho[-2]) / size).at_most(1e-5)
    u = [p.w / np.linalg.norm(p.w) for p in points]
    limit = np.array([extrapolated([1 / t for t in s], list(c))[0] for c in zip(*u, strict=True)])
    yield approx("extrapolated direction", np.linalg.norm(limit - unit)).at_most(1e-5)
    far = np.linalg.norm(u[-1] - unit) * s[-1]
    yield row(log_t=s[-1], rho=np.linalg.norm(rho[-1]) / size, distance_times_log_t=far)
    if sample == 0:
        beyond = rho[-1] - unit * (unit @ rho[-1])
        yield series(
            "distance of the direction of the flow from the maximum-margin direction",
            x=s,
            y=[np.linalg.norm(v - unit) for v in u],
            printed=[np.linalg.norm(beyond) / size / t for t in s],
            xlabel="log t",
            ylabel="distance of unit vectors",
            log="xy",
        )


def exponential_slope(q):
    return np.exp(-q)


def square_slope(q):
    """Of (1 + q)^(-2): a polynomial tail."""
    return 2 / (1 + np.maximum(q, 0.0)) ** 3


def gradient_descent(lab, slope, metric):
    """Plain descent on few unit vectors in many dimensions: nearly orthogonal, all of them support.

    There rho settles like a power of t near 1; on data with small slacks the power is small too.
    """
    X, eta, kept, w = lab.normal("X", 6, 400).cpu().numpy(), 1.0, {}, np.zeros(400)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    scale = eta / 6 * (1 + metric * (np.arange(400) % 2))
    for k in range(1, lab.pick(smoke=2**14, quick=2**15, standard=2**17) + 1):
        w = w + scale * (slope(X @ w) @ X)
        if k & (k - 1) == 0:
            kept[k] = w
    return X, max_margin(X), eta, kept


@check(lambda lab: samples(lab)[::2])
def descent_direction(lab, sample, slope=exponential_slope, metric=0.0):
    """w(2T) - w(T) over log 2, which leaves rho out."""
    X, best, eta, kept = gradient_descent(lab, slope, metric)
    T = max(kept)
    steps = [k for k in kept if k >= 4]
    size = np.linalg.norm(best.w)
    errors = [np.linalg.norm((kept[k] - kept[k // 2]) / math.log(2) - best.w) / size for k in steps]
    yield row(steps=T, all_support=int(len(best.support) == len(X)), error=errors[-1])
    if sample == 0:
        yield series(
            "increments of gradient descent over a doubling of time against the separator",
            x=steps,
            y=errors,
            printed=[1 / (eta * k) for k in steps],
            xlabel="step 2T",
            ylabel="relative distance, beside the order 1 / t",
            log="xy",
        )
    yield approx("increment over a doubling", errors[-1]).at_most(1e-2)


linear_direction = Claim(
    id="lyu2024/linear-flow-direction",
    source=SOURCE,
    title="Gradient descent on separable data goes to the maximum-margin direction",
    statement=(
        r"With the exponential loss on linearly separable data, gradient flow and gradient descent "
        r"with a small step from any $w(0)$ satisfy $w(t) = \hat w \log t + \rho(t)$ with $\rho$ "
        r"bounded, where $\hat w = \operatorname{argmin} \{ \lVert w \rVert_2 : y_i \langle w, x_i "
        r"\rangle \ge 1 \}$. So $w / \lVert w \rVert \to \hat w / \lVert \hat w \rVert$, at the "
        r"distance $O(1 / \log t)$."
    ),
    hypotheses=("linearly separable data", "generic data: all support vectors have a_i > 0"),
    checks=(
        flow_direction.asymptotic("drift of rho"),
        descent_direction.asymptotic("increment over a doubling"),
    ),
    controls=(
        flow_direction.but(norm=1.0),
        flow_direction.but(speed=1.001),
        descent_direction.but(slope=square_slope),
        descent_direction.but(metric=0.2),
    ),
    gap="Gaussian data; plain descent only where every sample is a support vector.",
)


def uniform_constant(a):
    """C with every support vector weighted alike."""
    a = a[a > 1e-9 * a.max()]
    return float(np.log(a.max()) - np.log(a).mean())


@check(samples)
def flow_rate(lab, sample, power=2, counted=True, constant=path_constant):
    """The constants of the flow: loss, support vectors, margin."""
    X, best, points = long_flow(lab)
    a, S, end = best.multipliers, best.support, points[-1]
    n = len(X) if counted else 1
    rho = end.w - best.w * end.log_time
    M = [p.depth for p in points]
    short = [
        (1 - normalised_margin(X, p.w) / best.margin) * m for p, m in zip(points, M, strict=True)
    ]
    limit, _ = extrapolated([1 / m for m in M], short)
    C = constant(a)
    yield row(log_t=end.log_time, gamma=best.margin, C=C, measured=limit)
    yield approx("t L gamma^2 minus 1", abs(end.loss_times_time * best.margin**power - 1)).at_most(
        1e-8
    )
    yield approx("x_i . rho + log(n a_i)", np.abs(X[S] @ rho + np.log(n * a[S])).max()).at_most(
        1e-6
    )
    yield approx("C", limit).beside(printed=C)
    yield approx("C measured minus predicted", abs(limit - C)).at_most(1e-3)
    if sample == 0:
        yield series(
            "margin of the flow over gamma",
            x=[1 / p.log_time for p in points],
            y=[normalised_margin(X, p.w) / best.margin for p in points],
            printed=[1 - C / p.log_time for p in points],
            xlabel="1 / log t",
            ylabel="normalised margin over its maximum",
        )


@check(lambda lab: samples(lab)[::2])
def descent_rate(lab, sample, power=2, counted=True, slope=exponential_slope):
    """The same constants from plain gradient descent, t = eta T."""
    X, best, eta, kept = gradient_descent(lab, slope, 0.0)
    T = max(kept)
    q, t, n = X @ kept[T], eta * T, 6 if counted else 1
    drift = np.abs(q - math.log(t) + np.log(n * best.multipliers)).max()
    value = np.exp(-q).mean() * t * best.margin**power
    yield row(steps=T, loss_time_gamma2=value, support_vector_defect=drift)
    yield approx("t L gamma^2 minus 1", abs(value - 1)).at_most(2e-2)
    yield approx("x_i . rho + log(n a_i)", drift).at_most(2e-2)


linear_rate = Claim(
    id="lyu2024/linear-flow-rate",
    source=SOURCE,
    title="Loss 1/(gamma^2 t), support vectors at log t - log(n a_i), margin short by C / log t",
    statement=(
        r"In the same setting, with $a$ the multipliers of $\hat w = \sum_i a_i y_i x_i$ and "
        r"$\gamma = 1 / \lVert \hat w \rVert$: $t \, \mathcal{L}(w(t)) \to \frac{1}{\gamma^2}$, "
        r"$y_i \langle x_i, \rho(t) \rangle \to -\log(n a_i)$ on the support vectors, and "
        r"$\left(1 - \frac{\gamma(w(t))}{\gamma}\right) \log t \to \log a_{\max} - "
        r"\frac{\sum_i a_i \log a_i}{\sum_i a_i}$, $\mathcal{L}$ being the mean over $n$ samples."
    ),
    hypotheses=("linearly separable, generic data", "mean exponential loss"),
    checks=(
        flow_rate.asymptotic("C measured minus predicted"),
        descent_rate.asymptotic("t L gamma^2 minus 1"),
    ),
    controls=(
        flow_rate.but(power=1),
        flow_rate.but(counted=False),
        flow_rate.but(constant=uniform_constant),
        descent_rate.but(power=1),
        descent_rate.but(counted=False),
        descent_rate.but(slope=square_slope),
    ),
    origin="ours",
    uses=("lyu2024/linear-flow-direction", "mohamadi2024/margin-rate"),
    sharpens=("lyu2024/linear-flow-direction",),
    gap=(
        "Generic data. With a support vector of multiplier 0 the margin may converge at the slower "
        "rate loglog t / log t. The margin constant is not measured on discrete descent."
    ),
)
