"""Runs and measures shared by the claims on students of a random teacher.

Cost: a run of P H^2 operations a step, H the hidden width; each alpha quick 1 s for 32 runs,
standard 10 s for 56.
"""

from dataclasses import replace
from functools import lru_cache

import torch

from grokverify import stats
from grokverify.delay import crossing, value_at
from grokverify.perceptrons import errors, output, square_gradient, start
from grokverify.runs import log_times, train
from grokverify.stats import blocks
from grokverify.training import State, adam

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# Teacher and student are 5-H-H-5 tanh networks, uniform at the start as in torch.nn.Linear, the
# student twice as large; x ~ N(0, I); predictor alpha f, its value at the start not taken off.
# AdamW at rate 1e-3 with decay 0.01. A point is right when its mean square error over the outputs
# is at most theta; a set is learnt when 9 points in 10 are right. The text gives neither the
# optimiser's settings nor the number of samples nor the norm that theta is about.
RATE, DECAY, DOUBLED, LEARNT = 1e-3, 0.01, 2.0, 0.9


def setting(lab):
    one = {"H": 24, "P": 60, "Q": 150, "steps": 900, "runs": 96}
    return [
        lab.pick(
            smoke=one | {"theta": 0.01},
            quick=one | {"steps": 1000, "theta": 0.01},
            standard={"H": 48, "P": 80, "Q": 200, "steps": 1800, "runs": 56, "theta": 0.005},
            paper={"H": 100, "P": 100, "Q": 300, "steps": 3000, "runs": 64, "theta": 0.003},
        )
    ]


def problem(lab, H, P, Q, runs):
    """Start of the student, train and test points with the teacher's labels."""
    widths = (5, H, H, 5)
    teacher, student = start(lab, "teacher", runs, widths), start(lab, "w", runs, widths, DOUBLED)
    x, z = lab.normal("x", runs, P, 5), lab.normal("z", runs, Q, 5)
    return student, x, output(teacher, x), z, output(teacher, z)


def curves(lab, H, P, Q, runs, steps, alpha):
    """Times, square errors of every train and test point (n, R, P), (n, R, Q), null losses (R,)."""
    parts = [block(here, H, P, Q, n, steps, alpha) for here, n in blocks(lab, runs, 32)]
    (t, *_), fit, far, null = zip(*parts, strict=True)
    return t, torch.cat(fit, 1), torch.cat(far, 1), torch.cat(null)


@lru_cache(maxsize=32)
def block(lab, H, P, Q, runs, steps, alpha):
    """The same for a block of students, in closed form."""
    student, x, y, z, w = problem(lab, H, P, Q, runs)

    def seen(s):
        return {"train": errors(s.theta, x, y, alpha), "test": errors(s.theta, z, w, alpha)}

    rule = adam(RATE, decay=DECAY)
    run = train(rule, square_gradient(x, y, alpha), State(student), log_times(steps, 24), seen)
    return run.t.to(x), run["train"].to(x), run["test"].to(x), w.square().mean((1, 2))


@lru_cache(maxsize=16)
def by_autograd(lab, H, P, Q, steps, alpha):
    """The same for few runs, by torch's AdamW and automatic differentiation."""
    student, x, y, z, w = problem(lab, H, P, Q, 9)
    W1, a, W2, b, W3, c = leaves = [p.clone().requires_grad_() for p in student]
    rule = torch.optim.AdamW(leaves, lr=RATE, weight_decay=DECAY)
    times, kept = log_times(steps, 24), []
    for t in range(steps + 1):
        fit, far = (
            (alpha * (((q @ W1 + a).tanh() @ W2 + b).tanh() @ W3 + c) - v).square().mean(-1)
            for q, v in ((x, y), (z, w) if t in times else (x, y))
        )
        if t in times:
            kept.append((fit.detach(), far.detach()))
        rule.zero_grad()
        fit.mean(-1).sum().backward()
        rule.step()
    fit, far = (torch.stack(part) for part in zip(*kept, strict=True))
    return x.new_tensor(times), fit, far, w.square().mean((1, 2))


def streams(lab):
    """The same runs for all claims here, fresh ones to confirm a failure."""
    shared = lab.shared(["kumar2024/figure-8", lab.path[3:]])
    return replace(shared, alpha=0.0, dtype="float32")


def accuracy_times(run, theta):
    """When each set is learnt, infinite if never, and the test accuracy when the train set is."""
    t, fit, far, _ = run
    wrong, unseen = ((e > theta).to(t).mean(2) for e in (fit, far))
    when, late = crossing(t, wrong, 1 - LEARNT), crossing(t, unseen, 1 - LEARNT)
    return when, late, 1 - value_at(t, unseen, when)


def loss_times(run, level):
    """When the train and the test loss come below a level, in units of the null loss."""
    t, fit, far, null = run
    return (crossing(t, e.mean(2) / null, level) for e in (fit, far))


def later(when, late):
    """Ratio of the two times: 1000 where only the first comes, 0 where that does not."""
    return torch.where(when.isfinite(), (late / when).clamp(max=1e3), 0.0).nan_to_num(nan=0.0)


def typical(lab, kth, name, events):
    """P(event) over data, teacher and start is at least one half, at this claim's risk."""
    return stats.frequency(name, events, lab.share(kth)).at_least(0.5)
