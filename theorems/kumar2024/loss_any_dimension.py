"""Kumar et al., equation (6) in every dimension and at every width, by Wick's theorem.

Cost: instant; the numerical line uses Gaussian moments of quadratic forms at D up to a thousand.
"""

import sympy as sp
import torch

from grokverify import Claim, Source, approx, check, row, series
from grokverify.forms import form, form_mean, trace
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# (6)  E (y - f)^2 =   1/4 (|b|^2/D - alpha eps/D tr M)^2
#                    + 1/(2 D^2) |alpha eps M - b b'|_F^2 + alpha^2/D |wbar|^2
# for f(x) = alpha wbar.x + alpha eps/2 x'Mx, y = (b.x)^2/2, x ~ N(0, I/D). In invariants,
# |alpha eps M - b b'|_F^2 = alpha^2 eps^2 tr M^2 - 2 alpha eps b'Mb + |b|^4.


def as_printed(D, alpha, eps, bb, bMb, trM, trM2, ww):
    variance = (bb / D - alpha * eps / D * trM) ** 2 / 4
    misalignment = alpha**2 * eps**2 * trM2 - 2 * alpha * eps * bMb + bb**2
    return variance + misalignment / (2 * D**2) + alpha**2 / D * ww


def variance_heavier(D, alpha, eps, bb, bMb, trM, trM2, ww):
    printed = as_printed(D, alpha, eps, bb, bMb, trM, trM2, ww)
    return printed + (bb / D - alpha * eps / D * trM) ** 2 / 100


def misalignment_heavier(D, alpha, eps, bb, bMb, trM, trM2, ww):
    return as_printed(D, alpha, eps, bb, bMb * 101 / 100, trM, trM2, ww)


def power_heavier(D, alpha, eps, bb, bMb, trM, trM2, ww):
    return as_printed(D, alpha, eps, bb, bMb, trM, trM2, ww * 101 / 100)


def dimension_off(D, alpha, eps, bb, bMb, trM, trM2, ww):
    printed = as_printed(D, alpha, eps, bb, bMb, trM, trM2, ww)
    return printed + alpha**2 * ww * (1 / (D + 1) - 1 / D)


MISSES = (variance_heavier, misalignment_heavier, power_heavier, dimension_off)


@check()
def in_any_dimension(lab, formula=as_printed):
    """D, wbar, b, alpha, eps and the symmetric matrix M all symbolic; N enters through M, wbar."""
    D, alpha, eps = sp.symbols("D alpha epsilon")
    f = alpha * form("wbar", "x") + alpha * eps / 2 * form("x", "M", "x")
    square = sp.expand((form("b", "x") ** 2 / 2 - f) ** 2)
    loss = form_mean(square, "x", variance=1 / D, dimension=D)
    words = form("b", "b"), form("b", "M", "b"), trace("M"), trace("M", "M"), form("wbar", "wbar")
    yield residue("surviving terms", loss - formula(D, alpha, eps, *words)).equals(0)


@check(lambda lab: [dict(D=D) for D in lab.pick(smoke=(4, 64), quick=(1, 4, 16, 64, 256, 1024))])
def in_eigenbasis(lab, D, formula=as_printed):
    """In the eigenbasis of b b' - alpha eps M the coordinates are independent: its part of the loss
    is E (sum_i a_i x_i^2/2)^2 = ((sum a_i)^2 + 2 sum a_i^2) / (4 D^2)."""
    N, alpha, eps = 8, 1.3, 0.7
    W, b = lab.normal("w", N, D).double(), lab.normal("b", D).double()
    M, wbar = W.mT @ W / N, W.mean(0)
    a = torch.linalg.eigvalsh(torch.outer(b, b) - alpha * eps * M)
    loss = (a.sum() ** 2 + 2 * (a**2).sum()) / (4 * D**2) + alpha**2 * (wbar @ wbar) / D
    told = formula(D, alpha, eps, b @ b, b @ M @ b, M.trace(), (M @ M).trace(), wbar @ wbar)
    yield row(D=D, N=N, loss=float(loss), printed=float(told))
    yield series(
        "test loss at random weights, N = 8",
        x=D,
        y=float(loss),
        printed=float(told),
        xlabel="dimension D",
        ylabel="test loss",
        log="xy",
    )
    yield approx("relative deviation", float(abs(told / loss - 1))).at_most(1e-10)


loss_any_dimension = Claim(
    id="kumar2024/loss-decomposition-any-dimension",
    source=Source(PAPER, "equation (6)", "2310.06110"),
    title="The loss decomposition for every dimension and width",
    statement=(
        r"For every $D$, vector $\bar w$, symmetric $M$ and $f(x) = \alpha \bar w \cdot "
        r"x + \frac{\alpha\epsilon}{2} x^\top M x$: $\langle (y-f)^2 \rangle = \frac{1}{4} \left( "
        r"\frac{1}{D} |\beta|^2 - \frac{\alpha\epsilon}{D} \operatorname{Tr} M \right)^2 + "
        r"\frac{1}{2D^2} | \alpha\epsilon M - \beta\beta^\top |_F^2 + \frac{\alpha^2}{D} "
        r"|\bar w|^2$."
    ),
    hypotheses=("inputs are isotropic Gaussian with covariance I/D",),
    origin="ours",
    sharpens=("kumar2024/loss-decomposition",),
    uses=("kumar2024/network-from-moments",),
    checks=(in_any_dimension, in_eigenbasis),
    controls=tuple(
        line.but(formula=miss) for line in (in_any_dimension, in_eigenbasis) for miss in MISSES
    ),
    gap="None for the identity.",
)
