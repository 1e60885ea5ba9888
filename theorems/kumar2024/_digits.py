"""Runs and measures shared by the claims on small networks that classify images of digits.

Cost: a run of P (64 H + H^2 + 10 H) operations a step and pass, H the hidden width.
"""

from dataclasses import replace
from functools import lru_cache

import torch

from grokverify import Skip, stats
from grokverify.delay import crossing, value_at
from grokverify.images import digits
from grokverify.perceptrons import RELU, errors, output, square_gradient, start
from grokverify.runs import log_times, train
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


def wrong(theta, x, c):
    """(R,) share of the images that are classified wrongly."""
    return (output(theta, x, RELU).argmax(-1) != c).to(x).mean(-1)


@lru_cache(maxsize=32)
def curves(lab, H, P, Q, runs, steps, alpha, decay):
    """Times (n,); train errors, test errors, train loss and norm, each (n, R)."""
    theta, x, c, z, e = problem(lab, H, P, Q, runs)
    y = one_hot(c, x)

    def seen(s):
        norm = torch.stack([p.square().sum((1, 2)) for p in s.theta]).sum(0).sqrt()
        loss = errors(s.theta, x, y, alpha, RELU).mean(-1)
        return {
            "train": wrong(s.theta, x, c),
            "test": wrong(s.theta, z, e),
            "loss": loss,
            "norm": norm,
        }

    rule = adam(RATE, decay=decay)
    go = square_gradient(x, y, alpha, RELU)
    run = train(rule, go, State(theta), log_times(steps, 24), seen)
    return run.t.to(x), *(run[k].to(x) for k in ("train", "test", "loss", "norm"))


@lru_cache(maxsize=16)
def by_autograd(lab, H, P, Q, steps, alpha, decay):
    """The same for few runs, by torch's AdamW and automatic differentiation."""
    theta, x, c, z, e = problem(lab, H, P, Q, FEW)
    W1, a, W2, b, W3, d = leaves = [p.clone().requires_grad_() for p in theta]
    rule = torch.optim.AdamW(leaves, lr=RATE, weight_decay=decay)
    times, kept, y = log_times(steps, 24), [], one_hot(c, x)

    def f(q):
        return torch.relu(torch.relu(q @ W1 + a) @ W2 + b) @ W3 + d

    for t in range(steps + 1):
        fit = f(x)
        if t in times:
            seen = ((fit.argmax(-1) != c), (f(z).argmax(-1) != e))
            kept.append([v.to(x).mean(-1) for v in seen])
        rule.zero_grad()
        (alpha * fit - y).square().mean((1, 2)).sum().backward()
        rule.step()
    fit, far = (torch.stack(part) for part in zip(*kept, strict=True))
    return x.new_tensor(times), fit, far


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


def by_two_codes(lab, H, P, Q, steps, alpha, decay, slip):
    """A few networks by the closed gradients, and by torch: (times of the fit, of learning) twice.

    In double precision, in which rounding moves no time. ``slip`` multiplies alpha for torch alone.
    """
    home = replace(streams(lab, "kumar2024/figure-6-a").at("few"), dtype="float64")
    mine = learnt(curves(home, H, P, Q, FEW, steps, alpha, decay))
    return mine, learnt(by_autograd(home, H, P, Q, steps, slip * alpha, decay))


def apart(one, other):
    """The largest difference of the log of a time; none where both are infinite."""
    return max(
        float((a / b).log().abs().nan_to_num(nan=0.0).max())
        for a, b in zip(one[:2], other[:2], strict=True)
    )
