"""Kumar et al., Figure 15, Section 15.2: grokking on the Hermite polynomial of degree 3.

Cost: two products of P D N operations and three passes over P N numbers a run and step; the
linearisation needs one decomposition of its P x P kernel, and no steps. Standard 40 s.
"""

from dataclasses import replace
from functools import lru_cache
from math import log10

import torch

from grokverify import Claim, Skip, Source, Verdict, approx, check, row, series, stats
from grokverify.delay import delay
from grokverify.memory import chunks
from grokverify.runs import log_times, train
from grokverify.training import State, gradient_descent

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# f = alpha/N sum_i phi(w_i . x), phi(z) = z + eps/2 He_3(z), the value at the start taken off, on
# y = He_3(beta . x) = s^3 - 3 s, |beta|^2 = D, x ~ N(0, I/D), w_i ~ N(0, I): then s ~ N(0, 1), and
# no part of y is linear. Losses in units of E y^2 = 6; "low" is below LOW. A network groks here if
# its test loss is low in the end, later than the train loss by the factor LATER or more, while the
# linearisation at the start is never low.
ALPHA, EPS, RATE, LOW, LATER, POWER = 4.0, 0.1, 0.1, 0.2, 1.3, 6.0
GROUP = 8  # runs at a time, so that (runs, P, N) numbers stay in the cache


def setting(lab):
    if lab.profile in ("smoke", "quick"):
        raise Skip("trains hundreds of networks for most of a minute; run the standard profile")
    one = {"D": 8, "P": 100, "N": 120, "Q": 300, "steps": 2000, "runs": 256}
    large = {"D": 12, "P": 250, "N": 200, "Q": 1000, "steps": 20000, "runs": 128}
    return [lab.pick(smoke=one, paper=large)]


def problem(lab, D, P, N, Q, runs):
    """Weights W (runs, D, N), train points, fresh points, and the labels of both."""
    b = torch.nn.functional.normalize(lab.normal("beta", runs, D, 1), dim=1) * D**0.5
    x, z = (lab.normal(name, runs, n, D) / D**0.5 for name, n in (("x", P), ("z", Q)))
    y, v = (((q @ b) ** 3 - 3 * (q @ b))[..., 0] for q in (x, z))
    return lab.normal("w", runs, D, N), x, y, z, v


# With c = 1 - 3 eps/2 and e = eps/2:  phi(z) = c z + e z^3,  phi'(z) = c + 3 e z^2, so that
#     f = alpha/N (c x . sum_i w_i + e sum_i z_i^3),
#     d f/d w_i = alpha/N (c + 3 e z_i^2) x.
C, E = 1 - 1.5 * EPS, 0.5 * EPS


def output(W, x):
    z = x @ W
    cubes = torch.linalg.vecdot(z * z, z)
    return ALPHA / W.shape[-1] * (C * (x @ W.sum(-1, keepdim=True))[..., 0] + E * cubes)


def gradient(x, y):
    """Of the mean of (f - y)^2, of each run."""

    def at(theta):
        (W,) = theta
        z = x @ W
        squares, scale = z * z, ALPHA / W.shape[-1]
        linear = C * (x @ W.sum(-1, keepdim=True))[..., 0]
        f = scale * (linear + E * torch.linalg.vecdot(squares, z))
        r = (2 * scale / y.shape[-1] * (f - y))[..., None]
        return (3 * E * (x.mT @ squares.mul_(r)) + C * (x.mT @ r),)

    return at


def linearised(W, x, y, z, rate, times):
    """Outputs at z (times, runs, Q) of the linearisation at W, by the spectrum of its kernel."""
    own, other = (C + 3 * E * (q @ W).square() for q in (x, z))
    scale = (ALPHA / W.shape[-1]) ** 2
    K = scale * (own @ own.mT) * (x @ x.mT)
    across = scale * (other @ own.mT) * (z @ x.mT)
    values, vectors = torch.linalg.eigh(K)
    along, seen = (vectors.mT @ y[..., None])[..., 0], across @ vectors
    shrunk = 1 - 2 * rate / y.shape[-1] * values
    learnt = torch.stack([(1 - shrunk**t) / values for t in times])
    return ((learnt * along)[..., None, :] @ seen.mT)[..., 0, :]


@lru_cache(maxsize=8)
def curves(lab, D, P, N, Q, steps, runs):
    """Times (n,); train and test losses (n, runs), and the test loss of the linearisation."""
    rate, times, found = RATE * N / ALPHA**2, log_times(steps, 32), []
    drawn = problem(lab, D, P, N, Q, runs)
    for part in chunks(runs, 1, None, most=GROUP):
        W, x, y, z, v = (tensor[part] for tensor in drawn)
        near, far = y + output(W, x), v + output(W, z)

        def seen(s, pair=((x, near), (z, far))):
            train, test = ((output(s.theta[0], q) - w).square().mean(-1) / POWER for q, w in pair)
            return {"train": train, "test": test}

        run = train(gradient_descent(rate), gradient(x, near), State((W,)), times, seen)
        twin = linearised(*(a.double() for a in (W, x, y, z)), rate, times)
        lazy = (twin - v).square().mean(-1) / POWER
        found.append(torch.stack([run["train"].double(), run["test"].double(), lazy]))
    return (torch.tensor(times).to(lazy), *torch.cat(found, -1))


@check(setting)
def groks(lab, D, P, N, Q, steps, runs, more=1):
    """The closed gradient, and the linearisation in closed form; as many samples in all."""
    home = replace(lab, dtype="float32")
    t, fit, test, twin = curves(home, D, more * P, N, Q, steps, runs // more)
    late = delay(t, fit, test, LOW)
    event = late.isfinite() & (late >= log10(LATER)) & (twin.amin(0) > LOW)
    yield stats.frequency("P(it groks)", event, lab.share(1)).at_least(0.5)
    for name, curve in (("train", fit), ("test", test), ("test, linearised", twin)):
        told = {"xlabel": "steps", "ylabel": "loss / null loss", "log": "xy"}
        yield series(name, plot="one network", x=t, y=curve[:, 0], **told)
    yield row(
        samples=more * P,
        median_delay_factor=float(10 ** late.median()),
        median_final_test=float(test[-1].median()),
        low_in_the_end=float(late.isfinite().double().mean()),
        least_of_the_linearisation=float(twin.amin(0).median()),
    )


@check(setting)
def by_autograd(lab, D, P, N, Q, steps, runs, bend=1.0):
    """A few networks by automatic differentiation and torch's SGD: the same losses."""
    few, T = 3, min(steps, 500)
    home = replace(lab.at("few"), dtype="float64")
    _, *mine, _ = curves(home, D, P, N, Q, T, few)
    W, x, y, z, v = problem(home, D, P, N, Q, few)
    leaf = W.clone().requires_grad_()
    rule, kept = torch.optim.SGD([leaf], lr=RATE * N / ALPHA**2), []

    def miss(q, label):
        def hidden(w):
            s = torch.einsum("rnd,rdi->rni", q, w)
            return (s + bend * EPS / 2 * s * (s.square() - 3)).mean(-1)

        return (ALPHA * (hidden(leaf) - hidden(W)) - label).square().mean(-1)

    for step in range(T + 1):
        loss = miss(x, y)
        if step in log_times(T, 32):
            with torch.no_grad():
                kept.append(torch.stack([loss, miss(z, v)]) / POWER)
        rule.zero_grad()
        loss.sum().backward()
        rule.step()
    gap = (torch.stack(kept, 1).detach() / torch.stack(mine)).log().abs().max()
    yield approx("largest difference of a log loss", float(gap)).at_most(1e-6)


hermite_curves = Claim(
    id="kumar2024/hermite-degree-3-groks",
    source=Source(PAPER, "Figure 15, Section 15.2", "2310.06110"),
    title="Grokking on a target of degree 3",
    statement=(
        r"On $y = He_3(\beta \cdot x)$, $|\beta|^2 = D$, the network with activation "
        r"$z + \frac{\epsilon}{2} He_3(z)$ groks in more than half of the problems of the sizes in "
        r"the table: its test loss ends low, is low later than the train loss by a factor of "
        r"$1.3$ or more, and that of its linearisation is never low."
    ),
    hypotheses=("the output at the start is taken off", "He_3 is that of the probabilists"),
    checks=(groks, by_autograd),
    controls=(groks.but(more=3), by_autograd.but(bend=1.01)),
    expect={"smoke": Verdict.SKIPPED, "quick": Verdict.SKIPPED},
    uses=("kumar2024/hermite-target-has-no-lower-part",),
    gap=(
        "Size and factor are ours, chosen on pilots with other seeds, in which seven or eight "
        "networks in ten had that delay, and one or two with three times the data. The text names "
        "neither the convention for He nor a size. Degree 4 is not decided: at D = 5 and P = 100 "
        "eleven pilot networks of twelve fitted and learnt nothing within 12,000 steps."
    ),
)
