"""Kumar et al., Figures 9, 10 and 13(a): how many samples grok, and what removes or keeps it.

Cost: a few hundred runs of P D^2 operations a step. Each claim quick 7 s,
standard 50 to 100 s.
"""

from dataclasses import replace
from functools import lru_cache
from math import log10

import torch

from grokverify import Claim, Source, approx, check, row, series, stats
from grokverify.delay import delay, overshoot
from grokverify.flows.committee import compress, descend, log_times, sample, train_network
from grokverify.stats import interim

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# f = alpha/N sum_i (h_i + eps/2 h_i^2), h = W x, the value at the start taken off; alpha = 0.4,
# rate eta_0 N / alpha^2. Losses in units of the loss of the zero predictor.
ALPHA, SHARE = 0.4, 0.3


def setting(lab):
    """P = 1.25 D, about 4 D and 12.5 D, the first and the last as in Figure 9 (D = 40)."""
    return [
        lab.pick(
            smoke={"D": 12, "N": 30, "steps": 1000, "runs": 320, "eps": 0.1, "rate": 1.0},
            quick={"D": 12, "N": 30, "steps": 1500, "runs": 320, "eps": 0.1, "rate": 1.0},
            standard={"D": 20, "N": 50, "steps": 4500, "runs": 192, "eps": 0.08, "rate": 1.0},
            paper={"D": 40, "N": 100, "steps": 30000, "runs": 64, "eps": 0.05, "rate": 1.0},
        )
    ]


@lru_cache(maxsize=16)
def trained(lab, runs, D, P, N, alpha, eps, rate, steps):
    return descend(sample(lab, runs, D=D, P=P, N=N, alpha=alpha, eps=eps), rate, steps)


def typical(lab, kth, name, events):
    """P(event) over data, target and start is at least one half, at this claim's risk."""
    return stats.frequency(name, events, lab.share(kth)).at_least(0.5)


@check(setting)
@interim(136)
def three_sizes(lab, D, N, steps, runs, eps, rate, few=1.25, some=4.0, many=12.5):
    """Too few samples, enough and many: final loss, rise, delay and power in linear modes."""
    low, mid, high = (
        trained(replace(lab.at(k), alpha=0.0), runs, D, round(k * D), N, ALPHA, eps, rate, steps)
        for k in (few, some, many)
    )
    d = [delay(run.t, run.train, run.test, 0.2) for run in (low, mid, high)]
    stuck = (low.test[-1] > 1) & (low.train[-1] < 0.05)
    yield typical(lab, 1, "P(few samples: fitted, and worse than zero)", stuck)
    groks = (overshoot(mid.test) > 1.05) & (d[1] > log10(2)) & d[1].isfinite()
    yield typical(lab, 2, "P(enough samples: rise and delay)", groks)
    yield typical(lab, 3, "P(many samples: hardly a delay)", d[2] < log10(2))
    falls = mid.power[-1] < mid.power.amax(0) / 3
    stays = low.power[-1] > mid.power[-1]
    yield typical(lab, 4, "P(linear power stays with few, falls with enough)", falls & stays)
    for k, run, late in zip((few, some, many), (low, mid, high), d, strict=True):
        m = [float(v.median()) for v in (run.test[-1], overshoot(run.test), run.power[-1], late)]
        yield row(P=round(k * D), final_test=m[0], rise=m[1], final_power=m[2], log10_delay=m[3])
        yield series("median final test loss", x=k * D, y=m[0], xlabel="P", ylabel="loss", log="xy")
        seen = run.power[:, 0].isfinite()
        yield series(
            f"linear power in one problem, P={round(k * D)}",
            beside="test loss",
            x=run.t[seen],
            y=run.power[seen, 0],
            printed=run.test[seen, 0],
            xlabel="step",
            ylabel="loss / null loss",
            log="x",
        )


@check(setting)
def sizes_of_all_neurons(lab, D, N, steps, runs, eps, rate, few=1.25, many=12.5):
    """The outer two sizes for all N neurons by automatic differentiation, on fresh samples."""
    medians = []
    for k in (few, many):
        place = lab.at(k)
        count = 33 if k < 2 else 9  # few samples scatter more
        problem = sample(place, count, D=D, P=round(k * D), N=N, alpha=ALPHA, eps=eps)
        probe = place.normal("probe", count, 300, D) / D**0.5
        W, times = place.normal("w", count, N, D), log_times(steps // 2, 40)
        train, test, _ = train_network(W, problem, rate, times, probe=probe)
        medians.append((float(test[-1].median()), float(train[-1].median())))
    yield approx("median final test loss, few samples", medians[0][0]).at_least(1.0)
    yield approx("median final test loss, many samples", medians[1][0]).at_most(0.1)


goldilocks = Claim(
    id="kumar2024/goldilocks-samples",
    source=Source(PAPER, "Figure 9, Section 8.3.2", "2310.06110"),
    title="Grokking needs neither too few nor too many samples",
    statement=(
        r"At $\alpha = 0.4$, each in more than half of the problems of the sizes in the table: "
        r"with $P = \frac{5}{4} D$ samples the training set is fitted and the test loss ends above "
        r"$\langle y^2 \rangle$; with $4 D$ samples the test loss first rises and falls below "
        r"$0.2 \langle y^2 \rangle$ at more than twice the time of the train loss; with "
        r"$\frac{25}{2} D$ samples it does so within twice that time. The power in linear "
        r"modes stays in the first case and rises and falls in the second."
    ),
    hypotheses=("the output at the start is taken off",),
    checks=(three_sizes, sizes_of_all_neurons),
    controls=(
        three_sizes.but(few=2.5),
        three_sizes.but(few=8.0),
        three_sizes.but(some=8.0),
        three_sizes.but(many=3.0),
        sizes_of_all_neurons.but(few=4.0),
        sizes_of_all_neurons.but(many=2.5),
    ),
    uses=("kumar2024/kernel-peak-at-the-dimension", "kumar2024/grokking-curve"),
    gap="Three sizes, with the middle one moved from 3 D to 4 D because D is smaller here.",
)


def middle(lab):
    return [case | {"P": 4 * case["D"], "runs": 192} for case in setting(lab)]


@lru_cache(maxsize=4)
def from_share(lab, D, P, N, steps, runs, eps, rate, share):
    """w_i + share (+-) b / sqrt(alpha eps), half of each sign."""
    plain = sample(lab, runs, D=D, P=P, N=N, alpha=ALPHA, eps=eps)
    W, b = lab.normal("w", runs, N, D), lab.normal("b", runs, D)
    sign = 1.0 - 2.0 * (torch.arange(N, device=W.device) % 2)
    Z, u = compress(W + share * sign[:, None] * b[:, None, :] / (ALPHA * eps) ** 0.5)
    return descend(replace(plain, Z=Z, u=u), rate, steps)


@check(middle)
@interim(40)
def along_share(lab, D, N, steps, runs, eps, rate, P, share=SHARE):
    """The rise of the test loss with and without a share of the solution in the start."""
    home, rises = lab.shared(["kumar2024/figure-10", lab.path[3:]]), {}
    for g in sorted({0.0, SHARE / 3, share}):
        run = from_share(home, D, P, N, steps, runs, eps, rate, g)
        rises[g] = overshoot(run.test)
        labels = {"xlabel": "share of the solution", "ylabel": "peak / start"}
        yield series("median rise of the test loss", x=g, y=float(rises[g].median()), **labels)
        late = float(delay(run.t, run.train, run.test, 0.2).median())
        yield row(share=g, rise=float(rises[g].median()), log10_delay=late)
    gone = (rises[0.0] > 1.05) & (rises[share] - 1 < (rises[0.0] - 1) / 3)
    yield typical(lab, 1, "P(rise shrinks to a third)", gone)


@check(middle)
def share_of_all_neurons(lab, D, N, steps, runs, eps, rate, P, share=SHARE):
    """The same for all N neurons by automatic differentiation, on fresh samples."""
    problem = sample(lab, 9, D=D, P=P, N=N, alpha=ALPHA, eps=eps)
    probe = lab.normal("probe", 9, 300, D) / D**0.5
    W, b = lab.normal("w", 9, N, D), lab.normal("b", 9, D)
    sign = 1.0 - 2.0 * (torch.arange(N, device=W.device) % 2)
    times, rise = log_times(steps // 4, 40), []
    for g in (0.0, share):
        start = W + g * sign[:, None] * b[:, None, :] / (ALPHA * eps) ** 0.5
        _, test, _ = train_network(start, problem, rate, times, probe=probe)
        rise.append(float(overshoot(test).median()) - 1)
    yield approx("median rise with over without", rise[1] / rise[0]).at_most(0.4)


aligned_start = Claim(
    id="kumar2024/aligned-start-removes-the-rise",
    source=Source(PAPER, "Figure 10, Section 8.3.3", "2310.06110"),
    title="A share of the solution in the initial weights removes the rise",
    statement=(
        r"At $\alpha = 0.4$ and $P = 4 D$, in more than half of the problems of the sizes in the "
        r"table, adding $\pm 0.3 \beta / \sqrt{\alpha\epsilon}$ with alternating signs to the "
        r"initial weights shrinks the rise of the test loss above its start to less than a third."
    ),
    hypotheses=("the output at the start is taken off",),
    checks=(along_share, share_of_all_neurons),
    controls=(along_share.but(share=0.03), share_of_all_neurons.but(share=0.03)),
    uses=("kumar2024/zero-loss-networks", "kumar2024/grokking-curve"),
    gap="The paper says that even a little suffices; a tenth of this share leaves it.",
)


def swinging(lab):
    """The rate in proportion to D: the curvature of the loss falls like 1/D, and with it the
    swings of a heavy ball."""
    return [case | {"rate": case["rate"] * case["D"] / 12} for case in middle(lab)]


@check(swinging)
@interim(96)
def with_momentum(lab, D, N, steps, runs, eps, rate, P, beta=0.95, scale=1.0):
    """Heavy ball at rate (1 - beta): rise, delay and final loss as under plain descent."""
    problem = sample(lab, runs, D=D, P=P, N=N, alpha=ALPHA * scale, eps=eps)
    run = descend(problem, 2 * rate * (1 - beta), steps, momentum=beta, records=200)
    late = delay(run.t, run.train, run.test, 0.2)
    rise = overshoot(run.test)
    groks = (rise > 1.05) & rise.isfinite() & (late > log10(1.5)) & late.isfinite()
    yield typical(lab, 1, "P(rise and delay with momentum)", groks)
    bumps = (run.train[1:] > run.train[:-1] * (1 + 1e-9)).any(0)
    yield typical(lab, 2, "P(train loss not monotone)", bumps)
    yield row(
        momentum=beta,
        rise=float(rise.median()),
        log10_delay=float(late.median()),
        final_test=float(run.test[-1].median()),
    )
    seen = run.test[:, 0].isfinite()
    yield series(
        "test loss of one problem under momentum",
        beside="train loss",
        x=run.t[seen],
        y=run.test[seen, 0],
        printed=run.train[seen, 0],
        xlabel="step",
        ylabel="loss / null loss",
        log="xy",
    )


@check(swinging)
def momentum_of_all_neurons(lab, D, N, steps, runs, eps, rate, P, beta=0.95, scale=1.0, data=1):
    """The same for all N neurons by automatic differentiation, on fresh samples."""
    few = 21
    problem = sample(lab, few, D=D, P=data * P, N=N, alpha=ALPHA * scale, eps=eps)
    probe = lab.normal("probe", few, 300, D) / D**0.5
    W, times = lab.normal("w", few, N, D), log_times(steps // 2, 60)
    slow = 2 * rate * (1 - beta)
    train, test, _ = train_network(W, problem, slow, times, momentum=beta, probe=probe)
    t = torch.tensor(times, dtype=train.dtype, device=train.device)
    late = delay(t, train, test, 0.2).clamp(max=9.0)
    yield approx("median rise of the test loss", float(overshoot(test).median()))
    yield approx("median final test loss", float(test[-1].median())).at_most(0.15)
    yield approx("median log10 delay", float(late.median())).at_least(log10(1.5))


momentum = Claim(
    id="kumar2024/momentum-groks",
    source=Source(PAPER, "Figure 13(a), Section 14", "2310.06110"),
    title="Gradient descent with momentum groks too, with bumps",
    statement=(
        r"With momentum $0.95$ and the rate scaled by $1 - 0.95$, in more than half of the "
        r"problems of the sizes in the table the test loss rises by $5\%$ and falls below "
        r"$0.2 \langle y^2 \rangle$ at more than $1.5$ times the time of the train loss, and the "
        r"train loss is not monotone."
    ),
    hypotheses=("the output at the start is taken off", "the rate grows in proportion to D"),
    checks=(with_momentum, momentum_of_all_neurons),
    controls=(
        with_momentum.but(scale=100.0),
        with_momentum.but(beta=0.0),
        momentum_of_all_neurons.but(scale=100.0),
        momentum_of_all_neurons.but(data=4),
    ),
    uses=("kumar2024/closed-dynamics", "kumar2024/grokking-curve"),
    gap=(
        "Panel (a); the other panels are claims of their own. Under momentum "
        "the test loss rises with many samples as well, so that the rise alone tells little. Where "
        "the rate does not grow with D the bumps fade: at D = 40 most runs have none."
    ),
)
