"""Mohamadi et al., Remark F.1: how few neurons interpolate modular addition.

Cost: exact evaluation costs about h p^4 multiplications, floats h p^3.
"""

from dataclasses import replace
from fractions import Fraction

import sympy as sp
import torch

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.fourier import (
    addition_table,
    evaluate,
    half,
    printed,
    three_phase,
    weights,
)
from grokverify.nets import quadratic
from grokverify.symbolic import residue

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
REMARK = Source(PAPER, "Remark F.1, equation (F.11)", ARXIV)


# (F.11)  sum_{k<p} cos(2 pi k d/p) = 1 + 2 sum_{k=1}^{(p-1)/2} cos(2 pi k d/p) for odd p: keep the
#         frequencies up to (p-1)/2, doubled. For even p frequency p/2 stays single.
def undoubled(p):
    return tuple(replace(n, gain=Fraction(1, 4)) for n in half(p))


def without_last_neuron(p):
    return half(p)[:-1]


def four_p(p):
    return 4 * p


def four_p_less_four(p):
    return 4 * p - 4


def counted(p, build, allowed):
    net = build(p)
    wrong = evaluate(net, p).wrong(addition_table(p))
    yield row(p=p, width=len(net), allowed=allowed(p), wrong=wrong)
    yield series(
        "neurons used", x=p, y=len(net), printed=4 * p, xlabel="p", ylabel="hidden neurons"
    )
    yield exact("wrong outputs", wrong).equals(0)
    yield exact("neurons beyond the bound", len(net) - allowed(p)).at_most(0)


def floats(lab, p, build, allowed):
    net = build(p)
    W, V = (lab.real(part) for part in weights(net, p))
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    gap = quadratic(W, V, a, b) - lab.real(addition_table(p)).reshape(p * p, p)
    rounding = 16 * 8 * p * torch.finfo(W.dtype).eps  # worst case for sums of total size 8 p
    yield approx("deviation over p", float(gap.abs().max() / p)).at_most(rounding)
    yield exact("rows of W beyond the bound", W.shape[0] - allowed(p)).at_most(0)


def sizes(lab):
    top = lab.pick(smoke=8, quick=24, standard=36)
    return [{"p": p} for p in range(2, top)]


def large_sizes(lab):
    return [{"p": p} for p in lab.pick(smoke=(9, 16), quick=(9, 16, 64, 97), standard=(97, 113))]


@check(lambda lab: [case for case in sizes(lab) if case["p"] % 2])
def half_exactly(lab, p, build=half, allowed=four_p):
    yield from counted(p, build, allowed)


@check(lambda lab: [case for case in large_sizes(lab) if case["p"] % 2])
def half_in_floats(lab, p, build=half):
    yield from floats(lab, p, build, four_p)


remark_f_1 = Claim(
    id="mohamadi2024/remark-f.1",
    source=REMARK,
    title="4p neurons interpolate for odd p",
    statement=(
        r"For odd $p$ a network with at most $4p$ hidden neurons has "
        r"$f(e_a, e_b)_c = p \cdot \mathbf{1}[a + b \equiv c]$: frequencies up to "
        r"$\frac{p-1}{2}$ suffice."
    ),
    checks=(half_exactly, half_in_floats),
    controls=(
        half_exactly.but(build=undoubled),
        half_exactly.but(build=without_last_neuron),
        half_exactly.but(allowed=four_p_less_four),
        half_in_floats.but(build=undoubled),
        half_in_floats.but(build=printed),
    ),
    uses=("mohamadi2024/fourier-interpolation",),
    gap="Exhausted over a range of p, not proved for all p.",
)


# For even p frequency p/2 has no sine, and two neurons carry it.
def four_p_exactly(p):
    return {2: 3}.get(p, 4 * p - 3 if p % 2 else 4 * p - 5)


def four_p_one_fewer(p):
    return four_p_exactly(p) - 1


@check(sizes)
def folded_exactly(lab, p, build=half, allowed=four_p_exactly):
    yield from counted(p, build, allowed)


@check(large_sizes)
def folded_in_floats(lab, p, build=half):
    yield from floats(lab, p, build, four_p_exactly)


half_frequencies = Claim(
    id="mohamadi2024/half-frequency-width",
    source=REMARK,
    title="4p - 3 neurons for odd p, 4p - 5 for even p",
    statement=(
        r"Half of the frequencies interpolate with $4p - 3$ hidden neurons for odd $p$ and "
        r"$4p - 5$ for even $p > 2$: the remark holds for even $p$ too."
    ),
    checks=(folded_exactly, folded_in_floats),
    controls=(
        folded_exactly.but(build=undoubled),
        folded_exactly.but(build=without_last_neuron),
        folded_exactly.but(allowed=four_p_one_fewer),
        folded_in_floats.but(build=undoubled),
        folded_in_floats.but(build=printed),
    ),
    origin="ours",
    sharpens=("mohamadi2024/remark-f.1",),
    gap="Exhausted over a range of p, not proved for all p.",
)


# Three phases t_j = 2 pi j/3 in place of four products of sines and cosines:
#   sum_j cos(A + t_j) cos(B + t_j) cos(C + 2 t_j) = 3/4 cos(A + B - C).
def three_p(p):
    return 3 * p - 2 if p % 2 else 3 * p - 3


def one_fewer(p):
    return three_p(p) - 1


def wrong_third_phase(p):
    """The second-layer phase t_j in place of 2 t_j."""
    return tuple(
        replace(n, out=n.out.shifted(-n.first.phase)) if n.first.phase else n
        for n in three_phase(p)
    )


@check(sizes)
def three_exactly(lab, p, build=three_phase, allowed=three_p):
    yield from counted(p, build, allowed)


@check(large_sizes)
def three_in_floats(lab, p, build=three_phase):
    yield from floats(lab, p, build, three_p)


@check()
def three_symbolically(lab, out=2):
    """With u, v, w for exp(iA), exp(iB), exp(iC) and t_j = angle of z^j, where z^2 + z + 1 = 0."""
    u, v, w, z = sp.symbols("u v w z")

    def cos(x, j):
        return (x * z ** (j % 3) + z ** (-j % 3) / x) / 2

    phases = sum(cos(u, j) * cos(v, j) * cos(w, out * j) for j in range(3))
    gap = phases - sp.Rational(3, 8) * (u * v / w + w / (u * v))
    yield residue("surviving terms", sp.rem(sp.expand(u * v * w * gap), z**2 + z + 1, z)).equals(0)


three_phases = Claim(
    id="mohamadi2024/three-phase-width",
    source=REMARK,
    title="3p - 2 neurons interpolate, for odd and even p",
    statement=(
        r"For every $p \ge 2$ a network with $3p - 2$ hidden neurons ($3p - 3$ if $p$ is even) "
        r"has $f(e_a, e_b)_c = p \cdot \mathbf{1}[a + b \equiv c]$; with $t_j = 2 \pi j / 3$ it "
        r"uses $\sum_{j<3} \cos(A + t_j) \cos(B + t_j) \cos(C + 2 t_j) = "
        r"\frac{3}{4} \cos(A + B - C)$."
    ),
    checks=(three_symbolically.part("one frequency"), three_exactly, three_in_floats),
    controls=(
        three_symbolically.but(out=1),
        three_exactly.but(build=wrong_third_phase),
        three_exactly.but(allowed=one_fewer),
        three_in_floats.but(build=wrong_third_phase),
        three_in_floats.but(build=printed),
    ),
    origin="ours",
    sharpens=("mohamadi2024/remark-f.1",),
    gap="In symbols for one frequency only; whole networks are exhausted over a range of p. "
    "Narrower ones may exist.",
)
