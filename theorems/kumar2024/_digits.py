"""Runs and measures shared by the claims on small networks that classify images of digits.

Cost: a run of P (64 H + H^2 + 10 H) operations a step and pass, H the hidden width.
"""

from dataclasses import replace
from functools import lru_cache

import torch

from grokverify import Skip, approx, stats
from grokverify.delay import crossing, value_at
from grokverify.images import digits
from grokverify.perceptrons import RELU, output, square_gradient, start
from grokverify.runs import log_times, train
from grokverify.stats import blocks
from grokverify.training import State, adam

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# A 64-H-H-10 ReLU network, uniform at the start as in torch.nn.Linear, eight times as large;
# predictor alpha f, its value at the start left in, square loss against the one-hot label, AdamW.
# A set is learnt when 19 of 20 train or 7 of 10 test images are right. The paper gives no settings:
# these are ours, and the images are scikit-learn's digits in place of MNIST.
LARGE, RATE, FIT, LEARNT, FEW = 8.0, 4e-3, 0.05, 0.3, 5


@lru_cache(maxsize=1)
def images():
    try:
        return digits()
    except ImportError as e:
        raise Skip(str(e)) from e


def problem(lab, H, P, Q, runs):
    """Start (6 tensors of R networks), train images and labels, test images and labels."""
    pixels, labels = images()
    order = torch.stack([lab.permutation(f"images {r}", len(labels)) for r in range(runs)])
    x, c = lab.real(pixels)[order[:, : P + Q]], torch.as_tensor(labels, device=order.device)[order]
    begin = start(lab, "w", runs, (64, H, H, 10), LARGE)
    return begin, x[:, :P], c[:, :P], x[:, P:], c[:, P : P + Q]


def one_hot(c, like):
    return torch.eye(10, dtype=like.dtype, device=like.device)[c]


def wrong(f, c):
    """(R,) share of the images that are classified wrongly by the outputs f."""
    return (f.argmax(-1) != c).to(f).mean(-1)


def curves(lab, H, P, Q, runs, steps, alpha, decay):
    """Times (n,); train errors, test errors, train loss and norm, each (n, R)."""
    parts = [block(here, H, P, Q, n, steps, alpha, decay) for here, n in blocks(lab, runs, 32)]
    (t, *_), *values = zip(*parts, strict=True)
    return t, *(torch.cat(v, 1) for v in values)


@lru_cache(maxsize=64)
def block(lab, H, P, Q, runs, steps, alpha, decay):
    """The same for a block of networks, which are trained together."""
    theta, x, c, z, e = problem(lab, H, P, Q, runs)
    y = one_hot(c, x)

    def seen(s):
        f = output(s.theta, x, RELU)
        norm = torch.stack([p.square().sum((1, 2)) for p in s.theta]).sum(0).sqrt()
        return {
            "train": wrong(f, c),
            "test": wrong(output(s.theta, z, RELU), e),
            "loss": (alpha * f - y).square().mean((1, 2)),
            "norm": norm,
        }

    rule = adam(RATE, decay=decay)
    go = square_gradient(x, y, alpha, RELU)
    run = train(rule, go, State(theta), log_times(steps, 24), seen)
    return run.t.to(x), *(run[k].to(x) for k in ("train", "test", "loss", "norm"))


@lru_cache(maxsize=16)
def by_autograd(lab, H, P, Q, steps, alpha, decay):
    """The same for few runs, by torch's AdamW and automatic differentiation, without the norm."""
    ((home, _),) = blocks(lab, FEW, FEW)  # the networks of ``curves``
    theta, x, c, z, e = problem(home, H, P, Q, FEW)
    W1, a, W2, b, W3, d = leaves = [p.clone().requires_grad_() for p in theta]
    rule = torch.optim.AdamW(leaves, lr=RATE, weight_decay=decay)
    times, kept, y = log_times(steps, 24), [], one_hot(c, x)

    def f(q):
        return torch.relu(torch.relu(q @ W1 + a) @ W2 + b) @ W3 + d

    for t in range(steps + 1):
        fit = f(x)
        loss = (alpha * fit - y).square().mean((1, 2))
        if t in times:
            off, missed = ((fit.argmax(-1) != c), (f(z).argmax(-1) != e))
            kept.append([off.to(x).mean(-1), missed.to(x).mean(-1), loss.detach()])
        rule.zero_grad()
        loss.sum().backward()
        rule.step()
    return x.new_tensor(times), *(torch.stack(part) for part in zip(*kept, strict=True))


def streams(lab, key):
    """The same runs for all claims of one figure, fresh ones to confirm a failure."""
    return replace(lab.shared([key, lab.path[3:]]), alpha=0.0, dtype="float32")


def learnt(run):
    """When the train and the test set are learnt, and the test accuracy when the first is."""
    t, fit, far, *_ = run
    when, late = crossing(t, fit, FIT), crossing(t, far, LEARNT)
    return when, late, 1 - value_at(t, far, when)


def typical(lab, kth, name, events):
    """P(event) over training sets and starts is at least one half, at this claim's risk."""
    return stats.frequency(name, events, lab.share(kth)).at_least(0.5)


def few(lab):
    """Where a few networks in double precision come from, in which rounding moves no error."""
    return replace(streams(lab, "kumar2024/figure-6-a").at("few"), dtype="float64")


def agree(lab, name, H, P, Q, steps, alpha, decay, slip):
    """The closed gradients and torch on the same few networks, at all records: no image is told
    apart, and no train loss beyond rounding; slip is on torch's alpha."""
    _, *mine, _ = curves(few(lab), H, P, Q, FEW, steps, alpha, decay)
    _, *torchs = by_autograd(few(lab), H, P, Q, steps, slip * alpha, decay)
    fit, far, loss = zip(mine, torchs, strict=True)
    off = max(float((a - b).abs().max()) for a, b in (fit, far))
    gap = float((loss[0] / loss[1]).log().abs().max())
    yield approx(f"largest difference of an error rate, {name}", off).at_most(1e-3)
    yield approx(f"largest difference of a log train loss, {name}", gap).at_most(1e-6)
