"""Lyu et al., Theorem 3.10: what the last step of its proof needs. Cost: instant."""

from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# The proof takes the limit of  2/n sum s_i grad f_i + lambda theta -> 0,  where s_i -> 0 and lambda
# -> 0: it says nothing. Divided by lambda it needs bounded multipliers s_i / lambda, as independent
# gradients give. Without them, f_1 = theta_1 theta_2 and f_2 = theta_1^2/8 + 2 theta_2^2 (degree 2)
# with y = (1, 1): f_2 >= |f_1| makes (2, 1/2) and its negative the only feasible points, so every
# limit of minimisers as lambda -> 0 is one of them; there grad f_1 = grad f_2 is not along theta.


def f(theta):
    a, b = theta
    return np.array([a * b, a * a / 8 + 2 * b * b])


def jacobian(theta):
    a, b = theta
    return [[b, a], [a / 4, 4 * b]]


def stationary(J, theta):
    """Whether theta is a combination of the rows of J: 2 x 2 determinants, exactly."""
    (p, q), (r, s) = J
    a, b = theta
    if p * s - q * r != 0:
        return 1
    return int(p * b - q * a == 0 and r * b - s * a == 0)


@check()
def at_the_limit(lab, second=Fraction(1, 2)):
    """theta* = (2, 1/2), or with another second entry: feasible targets, and stationarity."""
    theta = (Fraction(2), second)
    y = [theta[0] * theta[1], theta[0] ** 2 / 8 + 2 * theta[1] ** 2]
    yield row(y1=float(y[0]), y2=float(y[1]))
    yield exact("theta* is stationary", stationary(jacobian(theta), theta)).equals(1)


@check(lambda lab: [dict(digits=k) for k in lab.pick(smoke=(4,), quick=(3, 4, 5, 6))])
def multipliers(lab, digits, target=1.0):
    """Newton to the minimiser of |f - y|^2 / 2 + lambda/2 |theta|^2, whose multipliers they are."""
    lam, theta = 1.0, np.array([1.5, 0.6])
    y = np.array([1.0, target])
    H1, H2 = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([0.25, 4.0])
    while lam > 10.0**-digits:
        lam = max(lam / 1.5, 10.0**-digits)
        for _ in range(50):
            s, J = f(theta) - y, np.array(jacobian(theta))
            g = J.T @ s + lam * theta
            H = J.T @ J + s[0] * H1 + s[1] * H2 + lam * np.eye(2)
            theta = theta - np.linalg.solve(H, g)
    mu = (y - f(theta)) / lam
    away = float(np.linalg.norm(theta - np.array([2.0, 0.5])))
    yield row(
        log10_lambda=-digits, distance_to_the_feasible_point=away, multiplier=np.abs(mu).max()
    )
    yield series(
        "multipliers at the minimiser",
        x=lam,
        y=float(np.abs(mu).max()),
        xlabel="lambda",
        ylabel="largest |s_i| / lambda",
        log="xy",
    )
    yield approx("largest multiplier", np.abs(mu).max()).at_most(10)


last_step_printed = Claim(
    id="lyu2024/regression-last-step-printed",
    source=Source(PAPER, "Theorem 3.10, last step of its proof", "2311.18817"),
    title="Limits of stationary points of the regularised loss are KKT points, without more",
    statement=(
        r"If $f_i(\theta_k) \to y_i$, $\theta_k \to \theta^*$ and $\nabla \mathcal{L}_{\lambda_k}"
        r"(\theta_k) = o(\lambda_k)$ with $\lambda_k \to 0$, then $\theta^*$ is a KKT point of "
        r"$\min \frac{1}{2} \lVert\theta\rVert^2$ s.t. $f_i = y_i$."
    ),
    hypotheses=("homogeneous f of degree 2", "no independence of the gradients at the limit"),
    checks=(at_the_limit, multipliers),
    controls=(
        at_the_limit.but(second=Fraction(3, 5)).must_hold(),
        multipliers.but(target=1.5).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S2",
    gap=(
        "Severity: step of a proof; the theorem is not refuted: the example has no start with zero "
        "outputs (Assumption 3.2), and none is known that satisfies all assumptions of the theorem."
    ),
)
