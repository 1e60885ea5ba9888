"""Kumar et al., Figure 19: eigenvectors of the initial kernel as labels, and more data.

Cost: a few hundred runs of P D^2 operations a step, and as many eigendecompositions. Quick 6 s,
standard 20 s.
"""

from grokverify import Claim, Source, check, row
from grokverify.delay import crossing, delay
from theorems.kumar2024.eigenvector_labels import LOW, PAPER, curves, setting, trained, typical


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
