"""Kumar et al., Figures 5 and 19: eigenvectors of the initial kernel as labels.

Cost: a few hundred runs of P D^2 operations a step, and as many eigendecompositions.
"""

from dataclasses import replace
from functools import lru_cache

import torch

from grokverify import Claim, Source, approx, check, row, series, stats
from grokverify.delay import crossing, delay
from grokverify.flows.committee import compress
from grokverify.flows.pointwise import follow, start_kernel

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# f = alpha/N sum_i (h_i + eps/2 h_i^2), h = W x, the value at the start taken off, eps = 1, rate
# eta_0 N / alpha^2. Labels: the j-th eigenvector of K_0 on the P training and Q test points
# together, scaled to unit mean square. The text does not say where test labels come from; extended
# from the training points alone, kernel regression would fit them without any test error.
# K_0 has D (D + 3) / 2 eigenvectors that are not trivial. A loss is low below 0.3.
EPS, LOW = 1.0, 0.3


def setting(lab):
    """P below D (D + 3) / 2 and three eigenvectors: the first, one in the middle, a late one."""
    one = {"D": 8, "P": 34, "N": 32, "Q": 120, "runs": 128, "alpha": 20.0, "rate": 0.5}
    return [
        lab.pick(
            smoke=one | {"steps": 2500, "order": [1, 13, 34]},
            quick=one | {"steps": 4000, "order": [1, 13, 34]},
            standard=one | {"D": 16, "P": 120, "N": 64, "steps": 20000, "order": [1, 50, 120]},
        )
    ]


@lru_cache(maxsize=16)
def from_streams(lab, D, P, N, Q, steps, runs, alpha, rate, j):
    X = lab.normal("x", runs, P + Q, D) / D**0.5
    Z, u = compress(lab.normal("w", runs, N, D))
    V = torch.linalg.eigh(start_kernel(X, Z, u, EPS)).eigenvectors
    rank = D * (D + 3) // 2
    # Past the rank every combination is an eigenvector: a random one, not the solver's choice.
    rest = (V[..., :-rank] @ lab.normal("rest", runs, P + Q - rank, 1))[..., 0]
    y = V[..., -j] if j <= rank else rest / rest.norm(dim=-1, keepdim=True)
    y = y * (P + Q) ** 0.5
    return follow(X, y, P, Z, u, alpha=alpha, eps=EPS, rate=rate, steps=steps, records=60)


def trained(lab, D, P, N, Q, steps, runs, alpha, rate, order):
    """The runs for each j: the same for all claims here, fresh ones to confirm a failure."""
    streams = replace(lab.shared(["kumar2024/figure-5", lab.path[3:]]), alpha=0.0)
    return [from_streams(streams, D, P, N, Q, steps, runs, alpha, rate, j) for j in order]


def typical(lab, kth, name, events):
    """P(event) over data and start is at least one half, at this claim's risk."""
    return stats.frequency(name, events, lab.share(kth)).at_least(0.5)


def shuffled(order):
    """The eigenvector labels in another order of difficulty."""
    return [order[2], order[0], order[1]]


def swapped(order):
    """The last two exchanged."""
    return [order[0], order[2], order[1]]


def as_is(order):
    return order


@check(setting)
def three_regimes(lab, D, P, N, Q, steps, runs, alpha, rate, order, arrange=as_is):
    """At once, late, never: along the order of the eigenvalues."""
    three = trained(lab, D, P, N, Q, steps, runs, alpha, rate, arrange(order))
    a, b, c = (delay(run.t, run.train, run.test, LOW) for run in three)
    at_once = (a < 1.0) & (three[0].test[-1] < 0.15)
    yield typical(lab, 1, "P(the first: low soon after the fit)", at_once)
    groks = b.isfinite() & (b >= a + 0.18)
    yield typical(lab, 2, "P(the middle one: later by half, but low in the end)", groks)
    fitted = three[2].train[-1] < 0.01
    yield typical(lab, 3, "P(the late one: fitted, and never low)", fitted & c.isinf())
    for j, run, late in zip(order, three, (a, b, c), strict=True):
        yield curves(f"j={j}", run)
        yield row(
            j=j,
            median_log10_delay=float(late.median()),
            median_final_test=float(run.test[-1].median()),
            linearised=float(run.twin_test[-1].median()),
        )


def curves(which, run):
    """Test and train loss of the first problem against time."""
    seen = run.test[:, 0].isfinite()
    return series(
        which,
        plot="test loss of one problem",
        beside="train loss",
        x=run.t[seen],
        y=run.test[seen, 0],
        printed=run.train[seen, 0],
        xlabel="step",
        ylabel="mean square error",
        log="xy",
    )


@lru_cache(maxsize=8)
def all_neurons(lab, D, P, N, Q, steps, alpha, rate, order):
    """Final test loss of N neurons by automatic differentiation, and of regression on their kernel.

    Both (k, few): the kernel is the Gram matrix of gradients, the regression a least squares fit.
    """
    few, k = 7, len(order)
    X, W = lab.normal("x", few, P + Q, D) / D**0.5, lab.normal("w", few, N, D)
    J = (1 + EPS * (X @ W.mT))[..., None] * X[:, :, None, :]
    J = J.reshape(few, P + Q, N * D) / N**0.5
    V = torch.linalg.eigh(J @ J.mT).eigenvectors
    y = torch.cat([V[..., -j] for j in order]) * (P + Q) ** 0.5
    X, W, J = X.repeat(k, 1, 1), W.repeat(k, 1, 1), J.repeat(k, 1, 1)

    def output(W, X):
        h = X @ W.mT
        return alpha * (h + EPS / 2 * h**2).mean(-1)

    f0 = output(W, X)
    for _ in range(steps // 2):
        W = W.detach().requires_grad_()
        loss = (output(W, X[:, :P]) - f0[:, :P] - y[:, :P]).square().mean(-1)
        (slope,) = torch.autograd.grad(loss.sum(), W)
        W = W.detach() - rate * N / alpha**2 * slope
    test = (output(W, X) - f0 - y)[:, P:].square().mean(-1)
    lazy = J[:, P:] @ (torch.linalg.pinv(J[:, :P], rtol=1e-6) @ y[:, :P, None])
    lazy = (lazy[..., 0] - y[:, P:]).square().mean(-1)
    return test.detach().reshape(k, few), lazy.reshape(k, few)


@check(setting)
def regimes_of_all_neurons(lab, D, P, N, Q, steps, runs, alpha, rate, order, arrange=as_is):
    """The three ends again, for fewer problems and steps, without the reduced coordinates."""
    test, _ = all_neurons(lab, D, P, N, Q, steps, alpha, rate, tuple(arrange(order)))
    first, middle, late = test.median(1).values.tolist()
    yield approx("median final test loss, the first", first).at_most(LOW / 2)
    yield approx("median final test loss, the middle one", middle).at_most(LOW)
    yield approx("median final test loss, the late one", late).at_least(LOW)


labels = Claim(
    id="kumar2024/eigenvector-regimes",
    source=Source(PAPER, "Figure 5, Section 6.1", "2310.06110"),
    title="Eigenvector labels: at once, late, never",
    statement=(
        r"Labels are the $j$-th eigenvector of the initial kernel on training and test points "
        r"together, $\alpha = 20$, $\epsilon = 1$, $P$ below $D(D+3)/2$. In more than half of the "
        r"problems of the sizes in the table: for $j = 1$ the test loss is low soon after the fit;"
        r" for the middle $j$ it is low in the end, later by a half or more in "
        r"relative time; for the late $j$ the training set is fitted and the test loss never falls "
        r"below $0.3$."
    ),
    hypotheses=("the output at the start is taken off", "test labels come from the joint kernel"),
    checks=(three_regimes, regimes_of_all_neurons),
    controls=(
        three_regimes.but(arrange=shuffled),
        three_regimes.but(arrange=swapped),
        regimes_of_all_neurons.but(arrange=shuffled),
        regimes_of_all_neurons.but(arrange=swapped),
    ),
    gap=(
        "How test labels arise is our reading: the text does not say. The sizes are smaller than "
        "the paper's, and so are the j. Thresholds ours. The label needs no features: see the "
        "claim on the linearised network."
    ),
)


@check(setting)
def same_table(lab, D, P, N, Q, steps, runs, alpha, rate, order, scale=1.0):
    """The linearisation at the start ends at the same test loss, and is low where it is."""
    three = trained(lab, D, P, N, Q, steps, runs, alpha * scale, rate, order)
    same = torch.ones_like(three[0].test[-1], dtype=torch.bool)
    for j, run in zip(order, three, strict=True):
        own, twin = run.test[-1], run.twin_test[-1]
        low = [crossing(run.t, c, LOW).isfinite() for c in (run.test, run.twin_test)]
        same &= ((own - twin).abs() < 0.2 * own.clamp(min=1.0)) & (low[0] == low[1])
        gap = float((own - twin).abs().median())
        yield series("median gap of the final test losses", x=j, y=gap, xlabel="j", log="y")
        yield row(j=j, network=float(own.median()), linearised=float(twin.median()))
    yield typical(lab, 1, "P(same end at every j)", same)


@check(setting)
def as_kernel_regression(lab, D, P, N, Q, steps, runs, alpha, rate, order, scale=1.0):
    """N neurons by automatic differentiation end where regression on their kernel does."""
    test, lazy = all_neurons(lab, D, P, N, Q, steps, alpha * scale, rate, tuple(order))
    far = (test - lazy).abs().nan_to_num(nan=1e6).clamp(max=1e6)  # diverged runs are not near
    gap = far.median(1).values.amax()
    yield approx("median gap to kernel regression, at its largest over j", gap).at_most(0.3)


no_features = Claim(
    id="kumar2024/eigenvector-labels-need-no-features",
    source=Source(PAPER, "beside Figure 5, Section 6.1", "2310.06110"),
    title="Figure 5 without feature learning",
    statement=(
        r"In the setting of Figure 5 ($\alpha = 20$) the linearisation at the start gives the same "
        r"table: in more than half of the problems its final test loss agrees, for all three $j$, "
        r"with that of the network up to a fifth of the larger of that and 1, and is low where it "
        r"is. The delay is that of a kernel near its threshold of $D(D+3)/2$ samples."
    ),
    hypotheses=("the output at the start is taken off",),
    checks=(same_table, as_kernel_regression),
    controls=(same_table.but(scale=0.1), as_kernel_regression.but(scale=0.1)),
    origin="ours",
    sharpens=("kumar2024/eigenvector-regimes",),
    gap="At the alpha where the three regimes show; at small alpha features do move the test loss.",
)


def data_setting(lab):
    """A late eigenvector with P below, just above and far above D (D + 3) / 2."""
    (one,) = setting(lab)
    few = {k: one[k] for k in ("D", "N", "Q", "alpha", "rate")} | {"runs": 64}
    D = one["D"]
    top = D * (D + 3) // 2
    return [few | {"steps": one["steps"] // 2, "j": one["P"], "sizes": [one["P"], 2 * top]}]


@check(data_setting)
def more_data(lab, D, N, Q, alpha, rate, runs, steps, j, sizes, scale=(1, 1)):
    """The same j at more data: low, and low sooner after the fit."""
    sizes = [int(P * times) for P, times in zip(sizes, scale, strict=True)]
    few, many = (trained(lab, D, P, N, Q, steps, runs, alpha, rate, [j])[0] for P in sizes)
    never = crossing(few.t, few.test, LOW).isinf()
    yield typical(lab, 1, "P(never low with few data)", never)
    late = delay(many.t, many.train, many.test, LOW)
    yield typical(lab, 2, "P(low with more data, soon after the fit)", late < 1.0)
    for P, run in zip(sizes, (few, many), strict=True):
        yield curves(f"P={P}", run)
        yield row(P=P, median_final_test=float(run.test[-1].median()))


@check(data_setting)
def none_beyond_the_rank(lab, D, N, Q, alpha, rate, runs, steps, j, sizes, past=1):
    """Past D (D + 3) / 2 the eigenvector is no function of the network: no amount of data helps."""
    top = D * (D + 3) // 2
    run = trained(lab, D, sizes[1], N, Q, steps, runs, alpha, rate, [top + past])[0]
    yield typical(lab, 1, "P(no test loss below 0.8)", run.test.amin(0) > 0.8)


data_helps = Claim(
    id="kumar2024/more-data-for-harder-labels",
    source=Source(PAPER, "Figure 19, Section 17", "2310.06110"),
    title="More data make a late eigenvector learnable",
    statement=(
        r"A late eigenvector ($j$ as in the table) whose test loss never falls with "
        r"$P < D(D+3)/2$ samples is low soon after the fit with $P = D(D+3)$, in more than half of "
        r"the problems. An eigenvector past $j = D(D+3)/2$ is not learnt from any number of "
        r"samples tried, since network and kernel span only that many functions."
    ),
    hypotheses=("the output at the start is taken off", "test labels come from the joint kernel"),
    checks=(more_data, none_beyond_the_rank.part("too late to be learnt")),
    controls=(
        more_data.but(scale=(2, 1)),
        more_data.but(scale=(1, 0.45)),
        none_beyond_the_rank.but(past=-8),
    ),
    uses=("kumar2024/eigenvector-regimes", "kumar2024/kernel-threshold"),
    gap="Two sizes of the training set and one j at each size of the problem.",
)
