"""Mohamadi et al., (F.1)-(F.3): in which order the neurons are stacked.

Cost: exact evaluation at small p, floats beyond.
"""

from dataclasses import replace
from fractions import Fraction

import torch

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.fourier import addition_table, amplified, evaluate, printed, weights
from grokverify.nets import quadratic

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
