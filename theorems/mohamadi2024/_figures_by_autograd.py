"""The runs behind Figures 1 to 4 of Mohamadi et al., once more in the most literal form.

One-hot inputs, a loss written as in (2.2), its gradient by automatic differentiation, and the step
of A.1 or (A.1) in one line. This shares the train set and the start with the runs that the claims
on the figures observe, and no arithmetic: those gather rows, use closed gradients and batch runs.
The two agree to float32 rounding for the first steps (longer runs at these rates are chaotic).

Cost: milliseconds.
"""

import torch

from grokverify import approx, check, row, series
from grokverify.experiments import (
    chosen,
    classification,
    classify,
    default_start,
    regress,
    regression,
)
from grokverify.modular import sums, triples


def one_hot(p, a, b):
    eye = torch.eye(p, device=a.device)
    return torch.cat([eye[a], eye[b]], 1)


def descend(W, V, loss, steps, rate, divide):
    theta = [W.clone(), V.clone()]
    for _ in range(steps):
        theta = [x.detach().requires_grad_() for x in theta]
        g = torch.autograd.grad(loss(*theta), theta)
        length = torch.cat([x.flatten() for x in g]).norm() if divide else 1.0
        theta = [x - rate * d / length for x, d in zip(theta, g, strict=True)]
    return torch.cat([x.detach().flatten() for x in theta])


def compared(run, plain, p):
    seen = torch.cat([x[0].flatten() for x in run.state.theta])
    gap = ((seen - plain).norm() / plain.norm()).item()
    yield approx("relative distance of the two runs", gap).at_most(1e-3)
    yield row(p=p, distance=gap, norm=plain.norm())
    yield series("relative distance of the two runs", x=p, y=gap, xlabel="p", log="y")


@check(dict(p=5), dict(p=11), dict(p=23))
def classification_by_autograd(lab, p, divide=True):
    """Three steps of (A.1) on the cross-entropy plus 1e-20 times the sup-norm."""
    s = classification(p, n=round(0.7 * p * p), runs=1, last=3)
    data = sums(p, chosen(lab, s, p * p)[0])
    x = one_hot(p, data.a, data.b)
    target = (data.a + data.b) % p

    def loss(W, V):
        logits = (x @ W.T) ** 2 @ V.T
        norm = torch.maximum(W.abs().max(), V.abs().max())
        return torch.nn.functional.cross_entropy(logits, target) + 1e-20 * norm

    W, V = (x[0] for x in default_start(lab, s).theta)
    yield from compared(classify(lab, s), descend(W, V, loss, 3, 10.0, divide), p)


@check(dict(p=5), dict(p=11))
def regression_by_autograd(lab, p, halved=False):
    """Four steps of rate 0.2 on the mean square plus 1e-4 times the sup-norm."""
    s = regression(p, runs=1, last=4, rate=0.2)
    data = triples(p, chosen(lab, s, p**3)[0])
    x = one_hot(p, data.a, data.b)
    y = p * ((data.a + data.b) % p == data.c)

    def loss(W, V):
        g = ((x @ W.T) ** 2 @ V.T)[torch.arange(s.n), data.c]
        norm = torch.maximum(W.abs().max(), V.abs().max())
        return (g - y).square().mean() / (2 if halved else 1) + 1e-4 * norm

    W, V = (x[0] for x in default_start(lab, s).theta)
    yield from compared(regress(lab, s), descend(W, V, loss, 4, 0.2, False), p)
