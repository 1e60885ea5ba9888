"""Kumar et al., Sections 4 and 5.1: how reliable the measures of delay and of laziness are.

Cost: a few hundred runs of P D^2 operations a step.
"""

from functools import lru_cache

from grokverify import Claim, Source, approx, check, row, series, stats
from grokverify.delay import crossing, delay, lag, overshoot, value_at
from grokverify.flows.committee import descend, log_times, sample, sweep, train_network

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# The paper says that grokking grows with alpha, and shows curves. Each measure below turns a run
# into a number that should then be in the order of alpha, problem by problem: UP or DOWN. A test
# loss that never falls has an infinite delay. Losses in units of the loss of the zero predictor.
LOW, ALPHAS, UP, DOWN = 0.2, (0.1, 0.4, 1.6, 6.4), 1, -1


def setting(lab):
    one = {"D": 12, "P": 50, "N": 30, "eps": 0.1, "rate": 0.5, "runs": 64}
    return [
        lab.pick(
            smoke=one | {"steps": 3000},
            standard={"D": 20, "P": 80, "N": 50, "eps": 0.08, "rate": 0.8, "runs": 64}
            | {"steps": 8000},
            paper={"D": 40, "P": 200, "N": 100, "eps": 0.05, "rate": 1.0, "runs": 64}
            | {"steps": 20000},
        )
    ]


def at_fit(run, curve):
    return value_at(run.t, curve, crossing(run.t, run.train, LOW))


# name -> direction, value of every run, what it is blind to
MEASURES = {
    "log10 of test time over train time": (
        UP,
        lambda r: delay(r.t, r.train, r.test, LOW),
        "the clock, and what happens before the loss is low",
    ),
    "steps from train time to test time": (
        UP,
        lambda r: lag(r.t, r.train, r.test, LOW),
        "nothing of the clock: proportional to it",
    ),
    "rise of the test loss": (
        UP,
        lambda r: overshoot(r.test),
        "when it falls; saturates for lazy runs",
    ),
    "final test loss": (UP, lambda r: r.test[-1], "the path; depends on the horizon"),
    "relative change of weights, at the end": (
        DOWN,
        lambda r: r.moved[-1],
        "whether the change matters to the function",
    ),
    "relative change of weights, at the fit": (
        DOWN,
        lambda r: at_fit(r, r.moved),
        "what follows the fit",
    ),
    "distance to the linearisation, at the fit": (
        DOWN,
        lambda r: at_fit(r, r.apart),
        "what follows the fit",
    ),
    "least test loss while the train loss is high": (
        UP,
        lambda r: r.test.where(r.train > 0.3, float("inf")).amin(0),
        "all that follows the fit",
    ),
}
POOR = "least test loss while the train loss is high"
RATIO = "log10 of test time over train time"
BEST = tuple(name for name in MEASURES if name not in (POOR, RATIO))


@lru_cache(maxsize=8)
def trained(lab, D, P, N, eps, rate, runs, steps):
    problem = sweep(sample(lab, runs, D=D, P=P, N=N, alpha=1.0, eps=eps), alpha=ALPHAS)
    return descend(problem, rate, steps)


def in_order(values, direction):
    """(runs, k - 1): whether each step of alpha moves the value the stated way; ties do not."""
    a, b = values[:, :-1], values[:, 1:]
    return (b > a) if direction == UP else (b < a)


@check(setting)
def ordered(lab, D, P, N, eps, rate, runs, steps, alphas=ALPHAS, names=BEST):
    """Every measure on the same runs: its order along alpha, and its scatter over problems."""
    home = lab.shared(["kumar2024/measures", lab.path[3:]])
    run = trained(home, D, P, N, eps, rate, runs, steps)
    at = [ALPHAS.index(a) for a in alphas]
    for name, (direction, measure, blind) in MEASURES.items():
        values = measure(run).reshape(runs, -1)[:, at]
        both = values[:, :-1].isfinite() | values[:, 1:].isfinite()
        right = in_order(values, direction)
        share = float(right[both].double().mean()) if bool(both.any()) else 0.0
        found = [v[v.isfinite()] for v in values.T]
        scatter = [float(v.std() / v.mean().abs()) if len(v) > 1 else 0.0 for v in found]
        yield row(
            measure=name,
            pairs_in_order=share,
            pairs=int(both.sum()),
            never=int(values.isinf().sum()),
            **{f"scatter_at_alpha_{a:g}": c for a, c in zip(alphas, scatter, strict=True)},
            blind_to=blind,
        )
        for a, v in zip(alphas, values.median(0).values.tolist(), strict=True):
            if v < float("inf"):
                yield series(f"median: {name}", x=a, y=v, xlabel="alpha", log="xy")
    for k, name in enumerate(names, 1):
        direction, measure, _ = MEASURES[name]
        values = measure(run).reshape(runs, -1)[:, at]
        # two infinite delays side by side are not compared
        both = values[:, :-1].isfinite() | values[:, 1:].isfinite()
        every = (in_order(values, direction) | ~both).all(1) & both[:, 0]
        told = stats.frequency(f"P(neighbours in order): {name}", every, lab.share(k))
        yield told.at_least(0.5)
    ratio = MEASURES[RATIO][1](run).reshape(runs, -1)[:, at]
    ends = in_order(ratio[:, [0, -1]], UP)[:, 0]
    told = stats.frequency(f"P(in order at the ends): {RATIO}", ends, lab.share(len(names) + 1))
    yield told.at_least(0.5)


@check(setting)
def by_the_network(lab, D, P, N, eps, rate, runs, steps, alphas=ALPHAS):
    """Three of the measures of all N neurons by automatic differentiation, on fresh samples."""
    few, ends = 9, (alphas[0], alphas[-1])
    problem = sweep(sample(lab, few, D=D, P=P, N=N, alpha=1.0, eps=eps), alpha=ends)
    probe = lab.normal("probe", few, 300, D).repeat_interleave(2, 0) / D**0.5
    W, times = lab.normal("w", few, N, D).repeat_interleave(2, 0), log_times(steps // 2, 40)
    train, test, weights = train_network(W, problem, rate, times, probe=probe)
    t = train.new_tensor(times)
    late = lag(t, train, test, LOW).clamp(1.0, 10.0 * steps).reshape(few, 2)
    moved = (weights[-1] - W).flatten(1).norm(dim=1) / W.flatten(1).norm(dim=1)
    moved, last = moved.reshape(few, 2), test[-1].reshape(few, 2)
    for name, ratio in (
        ("steps of delay", late[:, 1] / late[:, 0]),
        ("final test loss", last[:, 1] / last[:, 0]),
        ("change of weights, inverse", moved[:, 0] / moved[:, 1]),
    ):
        yield approx(f"median ratio of the ends: {name}", float(ratio.median())).at_least(2)


reliability = Claim(
    id="kumar2024/measures-in-order",
    source=Source(PAPER, "beside Sections 4.1 and 5.1", "2310.06110"),
    title="Six measures of delay and laziness follow alpha step by step",
    statement=(
        r"Along $\alpha = 0.1, 0.4, 1.6, 6.4$, each in more than half of the problems of the sizes "
        r"in the table, neighbouring $\alpha$ are in order in the delay in steps, the rise of the "
        r"test loss and its end (growing), the relative change of the weights in the end and at "
        r"the fit, and the distance from the linearisation at the fit (falling). The delay as a "
        r"ratio of times is in order at the two ends. The table gives the scatter over problems."
    ),
    hypotheses=("the output at the start is taken off", "losses are low below 0.2"),
    checks=(ordered, by_the_network),
    controls=(
        ordered.but(alphas=ALPHAS[::-1]),
        ordered.but(names=(POOR,)),
        by_the_network.but(alphas=(0.1, 0.11)),
    ),
    uses=("kumar2024/alpha-controls-grokking",),
    origin="ours",
    gap="One task. The least test loss while the train loss is high does not follow alpha.",
)
