"""Mohamadi et al., Proposition 3.8: how small a sup-norm interpolating weights can have.

Cost: exact evaluation costs about h p^4 multiplications; the best margin of one neuron is found
among all 4^(p-1) sign patterns.
"""

from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.fourier import (
    addition_table,
    amplified,
    duplicated,
    evaluate,
    printed,
    sup_norm_cubed,
    weights,
)
from grokverify.nets import quadratic

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
QUARTER = Fraction(1, 4)


# The network of (F.1), (F.2) gives 4 p where the label is p: take every weight times 4^(-1/3). At
# width h take floor(h/8p) copies, each weight times floor(h/8p)^(-1/3), and leave the rest at 0.
def undiminished(net, h):
    """Copies that are not made weaker."""
    copies = h // len(net)
    return amplified(duplicated(net, h), Fraction(copies))


def unpadded(net, h):
    """Without the idle neurons: a network of another width."""
    return tuple(neuron for neuron in duplicated(net, h) if neuron.gain)


def width_sizes(lab):
    sizes = lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5, 7), standard=range(2, 14))
    return [
        {"p": p, "h": h} for p in sizes for h in (8 * p, 8 * p + 1, 16 * p - 1, 16 * p, 27 * 8 * p)
    ]


@check(width_sizes)
def wide_exactly(lab, p, h, widen=duplicated, constant=QUARTER):
    """Zero loss at width h in exact arithmetic; the cube of the sup-norm is a quarter of the bound.

    An equality, since an inequality would let too small a sup-norm pass.
    """
    net = widen(amplified(printed(p), QUARTER), h)
    wrong = evaluate(net, p).wrong(addition_table(p))
    copies = h // (8 * p)
    yield row(p=p, h=h, width=len(net), wrong=wrong, sup_norm_cubed=sup_norm_cubed(net))
    yield exact("wrong outputs", wrong).equals(0)
    yield exact("width", len(net) - h).equals(0)
    yield exact("sup norm cubed times floor(h/8p)", sup_norm_cubed(net) * copies).equals(constant)


@check(width_sizes)
def wide_in_floats(lab, p, h, widen=duplicated, exponent=Fraction(1, 3)):
    """The largest modulus among the weights themselves, and the outputs, in floats."""
    net, copies = widen(amplified(printed(p), QUARTER), h), h // (8 * p)
    W, V = (lab.real(part) for part in weights(net, p))
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    target = lab.real(addition_table(p)).reshape(p * p, p)
    sup, bound = float(max(W.abs().max(), V.abs().max())), copies ** -float(exponent)
    yield series(
        f"sup norm, p={p}",
        x=Fraction(h, 8 * p),
        y=sup,
        printed=bound,
        xlabel="h / 8p",
        ylabel="sup norm of the weights",
        log="xy",
    )
    yield approx("sup norm over bound", sup / bound, 1e-6).at_most(1)
    deviation = float((quadratic(W, V, a, b) - target).abs().max() / p)
    rounding = 16 * len(net) * torch.finfo(W.dtype).eps  # worst case for sums of total size 8 p
    yield approx("deviation over p", deviation).at_most(rounding)


proposition_3_8 = Claim(
    id="mohamadi2024/proposition-3.8",
    source=Source(PAPER, "Proposition 3.8", ARXIV),
    title="Zero-loss networks with small sup-norm exist",
    statement=(
        r"For $p \ge 2$ and $h \ge 8p$ there is a $\theta$ of zero population $\ell_2$ loss with "
        r"$\lVert \theta \rVert_\infty \le \lfloor \frac{h}{8p} \rfloor^{-1/3}$."
    ),
    checks=(wide_exactly, wide_in_floats),
    controls=(
        wide_exactly.but(widen=undiminished),
        wide_exactly.but(widen=unpadded),
        wide_exactly.but(constant=Fraction(24, 100)),
        wide_in_floats.but(widen=undiminished),
        wide_in_floats.but(exponent=Fraction(1, 2)),
    ),
    uses=("mohamadi2024/fourier-interpolation",),
    gap="Exhausted for small p and five widths each; larger ones rest on the symbolic identity.",
)


# No network is much smaller. Average the margin of (2.1) over all inputs,
#   m(theta) = mean over a, b of [f_{a+b} - mean over c != a + b of f_c].
# Squares of first-layer weights drop out of it, and what is left is linear in each weight:
#   m = 2/(p (p-1)) sum_i sum_c V_ci [(U_i * T_i)_c - (sum U_i)(sum T_i)/p],
# U_i and T_i the two halves of row i of W, * the cyclic convolution. So on a cube it is largest at
# a corner, and m <= h ||theta||_inf^3 M_p with M_p the best of one neuron. Interpolation has m = p.
def best_neuron(p):
    """M_p as a fraction, with signs U, T, V that attain it; U_0 = T_0 = 1 without loss."""
    bits = np.arange(2 ** (p - 1))[:, None] >> np.arange(p - 1) & 1
    signs = np.hstack([np.ones((len(bits), 1), dtype=np.int64), 1 - 2 * bits])
    r = np.arange(p)
    best = (-1, None, None)
    for U in signs:
        centred = p * signs @ U[(r - r[:, None]) % p] - signs.sum(1)[:, None] * U.sum()
        sums = np.abs(centred).sum(1)
        if sums.max() > best[0]:
            best = (int(sums.max()), U, signs[sums.argmax()])
    top, U, T = best
    V = np.sign(p * T @ U[(r - r[:, None]) % p] - T.sum() * U.sum())
    return Fraction(2 * top, p**2 * (p - 1)), U, T, V


def average_margin(p, W, V):
    """m(theta) from the outputs of the network (numpy integers or torch)."""
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(p), np.arange(p)))
    f = quadratic(W, V, a, b)
    right = f[np.arange(p * p), (a + b) % p].sum()
    return right, f.sum() - right  # m = right / p^2 - other / (p^2 (p - 1))


@check(
    lambda lab: [
        {"p": p} for p in lab.pick(smoke=(2, 3, 5), quick=range(2, 9), standard=range(2, 14))
    ]
)
def corners(lab, p, bound=Fraction(1)):
    """Random integer networks, and the best neuron next to idle ones, evaluated exactly."""
    M, U, T, V = best_neuron(p)
    nets = [(np.concatenate([U, T])[None], V[:, None])]
    for k, h in enumerate((1, 2, 5, 17)):
        wide = lab.integers(f"w{k}", -9, 10, h, 2 * p).cpu().numpy()
        nets.append((wide, lab.integers(f"v{k}", -9, 10, p, h).cpu().numpy()))
    for W, V in nets:
        right, other = average_margin(p, W, V)
        m = Fraction(int(right), p**2) - Fraction(int(other), p**2 * (p - 1))
        R = int(max(abs(W).max(), abs(V).max()))
        yield exact("average margin over h R^3 M_p", m / (len(W) * R**3 * M)).at_most(bound)
    yield exact("M_p over 2p/(p-1)", M * (p - 1) / (2 * p)).at_most(bound)
    built = sup_norm_cubed(amplified(printed(p), Fraction(1, 4)))
    lower = float(1 / (8 * M)) ** (1 / 3)
    yield row(p=p, M_p=M, sup_norm_needed_at_8p=lower, built_at_8p=float(built) ** (1 / 3))
    yield series(
        "h R^3 / p that any interpolating network needs",
        x=p,
        y=1 / M,
        printed=8,
        xlabel="p",
        ylabel="h R^3 / p, beside that of the printed weights",
    )
    yield series(
        "normalised margin per neuron: the best M_p beside the Fourier network's",
        x=p,
        y=M,
        printed=1 / (8 * built),
        xlabel="p",
        ylabel="margin / (h R^3)",
    )


@check(lambda lab: [{"p": p} for p in lab.pick(smoke=(3, 5), quick=(3, 4, 5, 6, 7))])
def by_ascent(lab, p, bound=1.0):
    """Signed ascent on the average margin of the network itself, weight layer by weight layer."""
    M, h = float(best_neuron(p)[0]), 64
    W, V = lab.signs("w", h, 2 * p), lab.signs("v", p, h)
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    credit = lab.real(addition_table(p)).reshape(p * p, p) / p  # 1 on the right answer ...
    credit = credit - (1 - credit) / (p - 1)  # ... and -1/(p-1) on the wrong ones

    def margins(W, V):
        z = W[:, a] + W[:, p + b]
        return (z**2 * (V.T @ credit.T)).mean(1)  # of each neuron

    halves = torch.arange(2 * p, device=W.device) < p
    for _ in range(20):
        for part in (halves, ~halves):
            W = W.detach().requires_grad_()
            (slope,) = torch.autograd.grad(margins(W, V).sum(), W)
            W = torch.where(part & (slope != 0), slope.sign(), W.detach())
        V = V.detach().requires_grad_()
        (slope,) = torch.autograd.grad(margins(W, V).sum(), V)
        V = torch.where(slope != 0, slope.sign(), V.detach())
    best = float(margins(W, V).max())
    yield row(p=p, M_p=M, best_of_ascent=best)
    rounding = 1e4 * torch.finfo(W.dtype).eps
    yield approx("best neuron found over M_p", best / M).at_most(bound + rounding)


sup_norm = Claim(
    id="mohamadi2024/sup-norm-lower-bound",
    source=Source(PAPER, "Proposition 3.8", ARXIV),
    title="Every interpolating network has sup-norm at least $(p / (h M_p))^{1/3}$",
    statement=(
        r"If $f(e_a, e_b)_c = p \cdot \mathbf{1}[a + b \equiv c]$ at width $h$, then "
        r"$\lVert \theta \rVert_\infty^3 \ge \frac{p}{h M_p}$, where $M_p = \frac{2}{p^2 (p-1)} "
        r"\max_{U, T \in \{\pm 1\}^p} \sum_c | p (U * T)_c - \sum_a U_a \sum_b T_b |$ is at most "
        r"$\frac{2p}{p-1} \le 4$: the order of Proposition 3.8 in $h$ and $p$ is right."
    ),
    checks=(corners, by_ascent),
    controls=(
        corners.but(bound=Fraction(99, 100)),
        by_ascent.but(bound=0.99),
    ),
    origin="ours",
    sharpens=("mohamadi2024/proposition-3.8",),
    gap="That a corner is best for every network is argued in words; M_p is found by exhaustion.",
)
