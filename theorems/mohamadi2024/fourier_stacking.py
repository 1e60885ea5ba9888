"""Mohamadi et al., (F.1)-(F.9): in which order the neurons are stacked, and how they cancel.

Cost: exact evaluation at small p, floats beyond; six identities in two letters.
"""

from dataclasses import replace
from fractions import Fraction

import sympy as sp
import torch

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.fourier import addition_table, amplified, evaluate, printed, weights
from grokverify.nets import quadratic
from grokverify.symbolic import residue

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
SOURCE = Source(PAPER, "Appendix F, text between (F.2) and (F.3)", ARXIV)
QUARTER = Fraction(1, 4)  # (F.10) gives 4p where the label is p

# Printed: W stacks the p x 2p matrices W^(1), ..., W^(8), so that row k + p (i - 1) is frequency k
# of the i-th; but (F.2) gives columns 8k .. 8k + 7 of V to frequency k, as does (F.3).


def in_blocks(p):
    net = printed(p)
    rows = [net[8 * k + i] for i in range(8) for k in range(p)]
    return tuple(replace(w, out=v.out) for w, v in zip(rows, net, strict=True))


def interleaved(p):
    return printed(p)


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 3, 5), quick=(2, 3, 4, 5, 7, 11))])
def exactly(lab, p, order=in_blocks):
    net = amplified(order(p), QUARTER)
    wrong = evaluate(net, p).wrong(addition_table(p))
    yield row(p=p, wrong=wrong, of=p**3)
    yield series("wrong outputs", x=p, y=wrong, printed=0, xlabel="p")
    yield exact("wrong outputs", wrong).equals(0)


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(5,), quick=(5, 23))])
def in_floats(lab, p, order=in_blocks):
    W, V = (lab.real(x) for x in weights(amplified(order(p), QUARTER), p))
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    gap = quadratic(W, V, a, b) - lab.real(addition_table(p)).reshape(p * p, p)
    yield approx("largest deviation over p", float(gap.abs().max() / p)).at_most(1e-9)


stacked = Claim(
    id="mohamadi2024/fourier-stacking-printed",
    source=SOURCE,
    title="The first layer stacked matrix by matrix",
    statement=r"With $W$ stacked as $W^{(1)}, \ldots, W^{(8)}$ and $V$ as in (F.2), all weights "
    r"times $4^{-1/3}$, $f(e_a, e_b)_c = p \cdot \mathbf{1}[a + b \equiv c]$.",
    checks=(exactly, in_floats),
    controls=(
        exactly.but(order=interleaved).must_hold(),
        in_floats.but(order=interleaved).must_hold(),
    ),
    severity="S3",
    gap="Severity: slip, in the text we read. It says that W is based on stacking; one below the "
    "other is our reading of that. Stacked frequency by frequency, as (F.2) and (F.3) have it, "
    "the weights do what they should, for odd and even p.",
    expect=Verdict.REFUTED,
)


# (F.3): the squares h_(8k), ..., h_(8k+7) of the neurons of frequency k, at the angles A and B of
# the two summands. With u = exp(iA) and v = exp(iB) every display is an identity of two letters.


def cos(u):
    return (u + 1 / u) / 2


def sin(u):
    return (u - 1 / u) / (2 * sp.I)


def squares(u, v, eighth=(1, -1)):
    """(F.3); ``eighth``: signs of the cosine and the sine in the last of them."""
    first = [cos(u) + cos(v), cos(u) - cos(v), sin(u) + sin(v), sin(u) - sin(v)]
    last = eighth[0] * cos(u) + eighth[1] * sin(v)
    return [z**2 for z in (*first, sin(u) + cos(v), sin(u) - cos(v), cos(u) + sin(v), last)]


@check()
def displayed(lab, front=2):
    u, v = sp.symbols("u v")
    h, c = squares(u, v), sp.Rational(front)
    d = [h[k] - h[k + 1] for k in (0, 2, 4, 6)]
    displays = (
        ("F.4", d[0], cos(u * v) + cos(u / v)),
        ("F.5", d[1], cos(u / v) - cos(u * v)),
        ("F.6", d[2], sin(u * v) + sin(u / v)),
        ("F.7", d[3], sin(u * v) - sin(u / v)),
        ("F.8", d[0] - d[1], 2 * cos(u * v)),
        ("F.9", d[2] + d[3], 2 * sin(u * v)),
    )
    for name, left, right in displays:
        yield residue(f"terms left by ({name})", left - c * right).equals(0)


@check()
def eighth_neuron(lab, signs=(-1, 1)):
    """(F.1) has -cos + sin for the eighth neuron, (F.3) cos - sin: their squares are the same."""
    u, v = sp.symbols("u v")
    gap = squares(u, v, signs)[7] - squares(u, v)[7]
    yield residue("square by (F.1) less square by (F.3)", gap).equals(0)


differences = Claim(
    id="mohamadi2024/fourier-differences",
    source=Source(PAPER, "equations (F.3)-(F.9)", ARXIV),
    title="How the squares of one frequency cancel",
    statement=r"With $h$ from (F.3): $h_{8k} - h_{8k+1} = 2 \cos(A + B) + 2 \cos(A - B)$, where "
    r"$A = \frac{2 \pi k}{p} n$ and $B = \frac{2 \pi k}{p} m$, and likewise (F.5) to (F.7); hence "
    r"(F.8), $4 \cos(A + B)$, and (F.9), $4 \sin(A + B)$.",
    checks=(displayed, eighth_neuron.part("(F.1) against (F.3)")),
    controls=(displayed.but(front=Fraction(21, 10)), eighth_neuron.but(signs=(1, 1))),
    gap="Identities in exp(iA) and exp(iB), at all angles.",
)
