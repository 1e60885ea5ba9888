"""Kumar et al., Section 8.1: the centred predictor (7) and what it makes independent of alpha.

Cost: instant.
"""

import sympy as sp
import torch

from grokverify import Claim, Source, Verdict, approx, check, row, series
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# (3)  f(x) = alpha/N sum_i phi(w_i . x)
# (7), as printed:  F(x) = alpha [f(x) - f(x) at w(0)], with eta = eta0/alpha^2, which is to keep
#      dF/dt at t = 0 independent of alpha. Under the gradient flow of
#      L = 1/P sum_mu (F(x_mu) - y_mu)^2 it is  -eta sum_k dF/dw_k dL/dw_k.
# The f of (3) holds alpha already: with it, F = f - f at w(0).


def printed(alpha, now, start):
    return alpha * (now - start)


def mended(alpha, now, start):
    return now - start


def uncentred(alpha, now, start):
    return now


def rate_squared(alpha):
    return 1 / alpha**2


def rate_once(alpha):
    return 1 / alpha


def phi(h, eps):
    return h + eps / 2 * h**2


def in_symbols(N, D, predictor, rate):
    """The initial velocity at a test input x, one training input z, all else generic."""
    alpha, eps, y = sp.symbols("alpha epsilon y")
    W, start = (sp.Matrix(N, D, sp.symbols(f"{k}0:{N * D}")) for k in ("w", "u"))
    x, z = (sp.Matrix(1, D, sp.symbols(f"{k}0:{D}")) for k in ("x", "z"))

    def F(at):
        def f(weights):
            return alpha / N * sum(phi(weights[i, :].dot(at), eps) for i in range(N))

        return predictor(alpha, f(W), f(start))

    loss = (F(z) - y) ** 2
    velocity = -rate(alpha) * sum(sp.diff(F(x), w) * sp.diff(loss, w) for w in W)
    velocity = velocity.subs(dict(zip(start, W, strict=True)))
    yield residue("terms that depend on alpha", sp.diff(velocity, alpha)).equals(0)


def on_networks(lab, N, predictor, rate):
    """The velocity by torch, at alphas over six decades."""
    D, eps, alphas = 6, 0.5, [10 ** (k / 2 - 3) for k in range(13)]
    W0, x, b = lab.normal("w", N, D), lab.normal("x", 9, D) / D**0.5, lab.normal("b", D)
    y, speeds = (x[1:] @ b) ** 2 / 2, []
    for alpha in alphas:

        def F(W, alpha=alpha):
            now, start = (alpha * phi(x @ v.mT, eps).mean(-1) for v in (W, W0))
            return predictor(alpha, now, start)

        slope = torch.func.grad(lambda W, F=F: (F(W)[1:] - y).square().mean())(W0)
        _, pushed = torch.func.jvp(F, (W0,), (-rate(alpha) * slope,))
        speeds.append(float(pushed[0]))
    yield series(
        "dF/dt at t = 0",
        x=alphas,
        y=[abs(v) for v in speeds],
        printed=[abs(speeds[6])] * len(alphas),
        xlabel="alpha",
        ylabel="|dF/dt|, and flat as claimed",
        log="xy",
    )
    yield row(N=N, slowest=min(map(abs, speeds)), fastest=max(map(abs, speeds)))
    spread = max(abs(v / speeds[6] - 1) for v in speeds)
    yield approx("relative spread over alpha", spread).at_most(1e6 * torch.finfo(W0.dtype).eps)


def shapes(lab):
    pairs = lab.pick(smoke=((1, 1), (1, 2)), quick=((1, 1), (1, 2), (2, 1), (2, 2), (3, 2)))
    return [dict(N=N, D=D) for N, D in pairs]


def widths(lab):
    return [dict(N=N) for N in lab.pick(smoke=(8,), quick=(1, 8, 64))]


@check(shapes)
def printed_in_symbols(lab, N, D, predictor=printed, rate=rate_squared):
    yield from in_symbols(N, D, predictor, rate)


@check(widths)
def printed_on_networks(lab, N, predictor=printed, rate=rate_squared):
    yield from on_networks(lab, N, predictor, rate)


centred_predictor_printed = Claim(
    id="kumar2024/centred-predictor-printed",
    source=Source(PAPER, "equation (7)", "2310.06110"),
    title="The centred predictor with alpha in front, as printed",
    statement=(
        r"With the $f$ of (3), $\tilde f = \alpha (f - f_0)$ and $\eta = \eta_0 / \alpha^2$, the "
        r"derivative $\frac{d}{dt} \tilde f$ at $t = 0$ does not depend on $\alpha$."
    ),
    expect=Verdict.REFUTED,
    checks=(printed_in_symbols, printed_on_networks),
    controls=(
        printed_in_symbols.but(predictor=mended).must_hold(),
        printed_on_networks.but(predictor=mended).must_hold(),
    ),
    severity="S3",
    gap=(
        "Severity: slip. alpha counts twice if f is that of (3), which holds it; right if the f of "
        "(7) is meant without alpha, which is not said."
    ),
)


@check(shapes)
def mended_in_symbols(lab, N, D, predictor=mended, rate=rate_squared):
    yield from in_symbols(N, D, predictor, rate)


@check(widths)
def mended_on_networks(lab, N, predictor=mended, rate=rate_squared):
    yield from on_networks(lab, N, predictor, rate)


centred_predictor = Claim(
    id="kumar2024/centred-predictor",
    source=Source(PAPER, "equation (7)", "2310.06110"),
    title="The centred predictor starts at a speed independent of alpha",
    statement=(
        r"With the $f$ of (3), $\tilde f = f - f_0$ and $\eta = \eta_0 / \alpha^2$, the derivative "
        r"$\frac{d}{dt} \tilde f$ at $t = 0$ does not depend on $\alpha$; without centring, "
        r"or with $\eta = \eta_0 / \alpha$, it does."
    ),
    corrects=("kumar2024/centred-predictor-printed",),
    checks=(mended_in_symbols, mended_on_networks),
    controls=tuple(
        control
        for line in (mended_in_symbols, mended_on_networks)
        for control in (
            line.but(predictor=uncentred),
            line.but(rate=rate_once),
            line.but(predictor=printed),
        )
    ),
    gap="Symbolic for one training input and N <= 3, D <= 2; the velocity is a sum over inputs.",
)
