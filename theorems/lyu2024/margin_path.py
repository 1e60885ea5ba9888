"""Weak regularisation maximises the margin (Wei et al. 2019, Theorem 4.1), and how fast.

Prop. 4.4 of Mohamadi et al. and the rich regime of Lyu et al. rest on it. Cost: seconds; Newton's
method in n variables at lambda as small as 1e-1000, and descent in at most 2 d variables.
"""

import math

import numpy as np
import scipy.optimize

from grokverify import Claim, Source, approx, check, row, series
from grokverify.margin_paths import (
    EXPONENTIAL,
    extrapolated,
    face_path,
    l2_path,
    polynomial,
    strengths,
)
from grokverify.margins import SolverFailed, margin_enclosure, max_margin, normalised_margin

SOURCE = Source("Mohamadi et al., Why Do You Grok?", "Proposition 4.4", "2407.12332")

# f(theta; x) is homogeneous of degree L in theta, q_i = y_i f(theta; x_i), and
#   theta_lambda = argmin 1/n sum_i exp(-q_i) + lambda |theta|^r,
#   gamma^lambda = min_i q_i(theta_lambda) / |theta_lambda|^L,   gamma* = its maximum over theta.
# Linear models have L = 1 and rows X_i = y_i x_i; n < d Gaussian rows are always separable.
# M = log(1/(n L(theta_lambda))) is log(1/lambda) up to loglog terms, and gamma^lambda / gamma* is
# a power series in 1/M up to terms exponentially small in M; so limits are taken in 1/M.


NORMS = {"l1": 1.0, "linf": math.inf}


def gaussian(lab):
    return lab.normal("X", 12, 16).cpu().numpy()


def shortfalls(points, nominal, reference):
    """1/M and 1 - gamma^lambda / gamma* along a path; M at the lambda that was asked for."""
    x = [1 / (asked - point.c + point.depth) for point, asked in zip(points, nominal, strict=True)]
    return x, [1 - point.margin / reference for point in points]


def datasets(lab):
    return [dict(sample=k) for k in range(lab.pick(smoke=2, quick=4, standard=16))]


@check(datasets)
def dual_path(lab, sample, loss=EXPONENTIAL, reference=2.0, weakest=math.inf):
    """l2 norm, r = 2: the path from its dual, against the margin of a least-squares dual."""
    X = gaussian(lab)
    best = max_margin(X)
    nominal = strengths(X, best)
    points = list(l2_path(X, [min(c, weakest, loss.reach) for c in nominal], loss))
    gamma = normalised_margin(X, max_margin(X, reference).w)
    x, short = shortfalls(points, nominal, gamma)
    limit, _ = extrapolated(x, short)
    yield row(gamma=gamma, log_inverse_n_lambda=nominal[-1], last=1 - short[-1], limit=1 - limit)
    yield margin_enclosure("gamma* by weak duality", X, best)
    yield approx("shortfall at the least lambda", short[-1], points[-1].radius)
    yield approx("extrapolated shortfall", abs(limit), points[-1].radius).at_most(1e-6)


@check(lambda lab: [dict(norm=norm, **case) for norm in NORMS for case in datasets(lab)])
def polyhedral_path(lab, norm, sample, reference=None):
    """l1 and l-infinity norms, r = 1: the path on a face, against a linear programme."""
    X = gaussian(lab)
    best = max_margin(X, NORMS[norm])
    nominal = strengths(X, best)
    points = list(face_path(X, best, nominal))
    target = best if reference is None else max_margin(X, reference)
    gamma = normalised_margin(X, target.w, NORMS[norm])
    x, short = shortfalls(points, nominal, gamma)
    limit, _ = extrapolated(x, short)
    yield row(norm=norm, gamma=gamma, log_inverse_n_lambda=nominal[-1], limit=1 - limit)
    yield margin_enclosure("gamma* by weak duality", X, best)
    yield approx("shortfall at the least lambda", short[-1], points[-1].radius)
    yield approx("extrapolated shortfall", abs(limit), points[-1].radius).at_most(1e-6)


# For every lambda, L(theta_lambda) <= L(theta* |theta_lambda| / |theta*|), since the penalties are
# equal; so exp(-|theta|^L gamma^lambda) / n <= exp(-|theta|^L gamma*), that is
#   (gamma* - gamma^lambda) |theta_lambda|^L <= log n.
# And |theta_lambda| grows without bound: comparing with |theta|^L = log(1/lambda) / gamma*,
#   L(theta_lambda) <= U = lambda + penalty,   |theta_lambda|^L >= log(1/(n U)) / gamma*.


def exponential_tail(q):
    decay = np.exp(np.minimum(-q, 250.0))
    return decay, -decay, decay


def square_tail(q):
    """(1 + q)^(-2), continued by exp(-2 q) to the left of 0."""
    s, decay = 1 + np.maximum(q, 0.0), np.exp(np.clip(-2 * q, 0.0, 250.0))
    right = q > 0
    value, slope = np.where(right, s**-2, decay), np.where(right, -2 * s**-3, -2 * decay)
    return value, slope, np.where(right, 6 * s**-4, 4 * decay)


def linear(X, theta, slope):
    """Margins, their Jacobian, and the Hessian of slope . q."""
    return X @ theta, X, np.zeros(len(theta))


def diagonal(X, theta, slope):
    """The same for f(theta; x) = <a^2 - b^2, x>, homogeneous of degree 2."""
    a, b = np.split(theta, 2)
    s = 2 * X.T @ slope
    return X @ (a * a - b * b), np.hstack([2 * X * a, -2 * X * b]), np.r_[s, -s]


MODELS = {"diagonal": (diagonal, 1.0, 2), "linear": (linear, 2.0, 1)}


def descend(model, X, lam, start, tail):
    """Minimise 1/(n lambda) sum l(q) + |theta|^2 / 2 by a trust region with exact Hessians."""
    weight, none = 1 / (len(X) * lam), np.zeros(len(X))

    def value(theta):
        return weight * tail(model(X, theta, none)[0])[0].sum() + theta @ theta / 2

    def gradient(theta):
        q, J, _ = model(X, theta, none)
        return weight * J.T @ tail(q)[1] + theta

    def hessian(theta):
        q, J, _ = model(X, theta, none)
        curved = model(X, theta, weight * tail(q)[1])[2]
        return weight * (J.T * tail(q)[2]) @ J + np.diag(1 + curved)

    options = dict(gtol=1e-7, maxiter=2000)
    theta = scipy.optimize.minimize(
        value, start, jac=gradient, hess=hessian, method="trust-exact", options=options
    ).x
    q, slope = model(X, theta, none)[0], np.linalg.norm(gradient(theta))
    # f is linear in w = a^2 - b^2 and min |theta|^2 is 2 |w|_1: this is global optimality
    pull = np.abs(model(X, theta, weight * tail(q)[1])[2]).max()
    if not (slope < 1e-5 and pull < 1 + 1e-4):
        raise SolverFailed(
            f"descent at lambda = {lam:g} stopped at a gradient of {slope:.2g}, with curvature "
            f"{1 - pull:.2g}: no global minimum. Try another start."
        )
    return theta, q


@check(lambda lab: [dict(model=m, **case) for m in MODELS for case in datasets(lab)[::2]])
def descent(lab, model, sample, tail=exponential_tail, norm=None, weakest=0.0):
    """r = 2, minimisers found by descent on theta itself; both inequalities, at every lambda."""
    X = gaussian(lab)
    margins, own, degree = MODELS[model]
    gamma = max_margin(X, norm or own).margin
    theta = lab.uniform("start", 16 * degree, low=0.1, high=0.5).cpu().numpy()
    x, ratios, bounds = [], [], []
    for k in lab.pick(smoke=range(1, 8), quick=range(1, 11)):
        lam, n = 10.0**-k, len(X)
        theta, q = descend(margins, X, max(lam, weakest), theta, tail)
        size = np.linalg.norm(theta) ** degree
        penalty = (math.log(1 / lam) / gamma) ** (2 / degree) / 2
        floor = -math.log(n * lam * (1 + penalty)) / gamma
        short = gamma * size - q.min()
        yield approx("(gamma* - gamma^lambda) |theta|^L / log n", short / math.log(n)).at_most(1)
        yield approx("floor of |theta|^L over |theta|^L", floor / size).at_most(1)
        x, ratios = [*x, k], [*ratios, q.min() / size / gamma]
        bounds.append(1 - math.log(n) / (gamma * size))
    yield row(model=model, gamma=gamma, least_lambda=lam, ratio=ratios[-1], at_least=bounds[-1])
    if sample == 0:
        yield series(
            f"gamma^lambda / gamma* of the {model} model by descent",
            x=x,
            y=ratios,
            printed=bounds,
            xlabel="-log10 lambda",
            ylabel="normalised margin over its maximum, and what the inequality promises",
        )


margin_limit = Claim(
    id="mohamadi2024/margin-limit",
    source=SOURCE,
    title="Weak regularisation attains the maximum normalised margin",
    statement=(
        r"Let $f$ be positively homogeneous of degree $L$ in $\theta$ and separate the data, "
        r"$\gamma^* = \max_{\lVert\theta\rVert \le 1} \min_i y_i f(\theta; x_i)$, and let "
        r"$\theta_\lambda$ minimise $\frac{1}{n} \sum_i e^{-y_i f(\theta; x_i)} + \lambda "
        r"\lVert\theta\rVert^r$. Then $\gamma^\lambda = \min_i y_i f(\theta_\lambda; x_i) / "
        r"\lVert\theta_\lambda\rVert^L \to \gamma^*$ as $\lambda \to 0$, for every norm."
    ),
    hypotheses=("exponential tail of the loss", "data separable by f", "f homogeneous"),
    checks=(
        dual_path.asymptotic("extrapolated shortfall"),
        polyhedral_path.asymptotic("extrapolated shortfall"),
        descent,
    ),
    controls=(
        dual_path.but(loss=polynomial(100)),
        dual_path.but(reference=1.0),
        dual_path.but(weakest=math.log(1e6)),
        polyhedral_path.but(reference=2.0),
        descent.but(tail=square_tail),
        descent.but(norm=2.0),
        descent.but(weakest=1e-3),
    ),
    gap=(
        "Binary labels; linear models in the l2, l1 and l-infinity norms and the diagonal net of "
        "degree 2 in the l2 norm. The l-infinity norm of a nonlinear net, which the paper uses, is "
        "not minimised here."
    ),
)
