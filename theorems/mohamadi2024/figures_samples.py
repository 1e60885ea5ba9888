"""Figure 1 (right) of Mohamadi et al.: how many pairs are needed, against p.

Setting of A.2 with n pairs out of p^2. For one seed the train sets of different sizes are nested.
Its threshold n* is where the best test accuracy of the first steps passes one half, interpolated
linearly between two sizes of the train set, and p^2 where it never does: at a start that cannot
learn the exponent is then exactly 2.

Cost: 6 n h p operations a step, run and size of the train set; about n* p^2 in all.
"""

import torch

from grokverify import Claim, Source, Verdict, check, row, series, stats
from grokverify.experiments import classification, classify, shared
from theorems.mohamadi2024._figures_by_autograd import classification_by_autograd

SHARES = (0.45, 0.55, 0.65, 0.75, 0.85, 0.95)


def sizes(lab):
    chosen = lab.pick(smoke=(9, 11, 13, 15), quick=(11, 13, 17, 21), standard=(13, 17, 23, 31, 41))
    return [dict(sizes=list(chosen))]


def needed(lab, runs, p, order, rate, last):
    """(runs,) thresholds n* between 0.35 p^2 and p^2."""
    best = [torch.zeros(runs)]
    for share in SHARES:
        s = classification(p, n=round(share * p * p), runs=runs, last=last, rate=rate, order=order)
        best.append(classify(lab.at(p), s)["test"].amax(0))
    accuracy = torch.cummax(torch.stack([*best, torch.ones(runs)]), 0).values.double()
    share = torch.tensor([2 * SHARES[0] - SHARES[1], *SHARES, 1.0], dtype=torch.float64)
    k = (accuracy >= 0.5).to(torch.int8).argmax(0)
    column = torch.arange(runs)
    low, high = accuracy[k - 1, column], accuracy[k, column]
    within = share[k - 1] + (0.5 - low) / (high - low) * (share[k] - share[k - 1])
    return torch.where(k < len(share) - 1, within, 1.0) * p * p


def thresholds(lab, sizes, order, rate):
    """(runs, sizes) thresholds, and how many runs."""
    runs, last = lab.pick(smoke=4, quick=24), lab.pick(smoke=60, quick=120, standard=250)
    place = shared(lab, "samples")
    return torch.stack([needed(place, runs, p, order, rate, last) for p in sizes], 1)


def fitted(lab, sizes, order, rate):
    name, runs = "exponent of the pairs needed", lab.pick(smoke=4, quick=24)
    return stats.exponent(
        name,
        lambda lab, n: thresholds(lab, sizes, order, rate),
        sizes,
        lab=lab,
        w=None,
        seeds=runs,
    )


def shown(lab, sizes, order, rate, found):
    n = thresholds(lab, sizes, order, rate).median(0).values
    p = torch.tensor(sizes, dtype=torch.float64)
    labels = dict(x=p, plot="pairs needed", xlabel="p", ylabel="pairs", log="xy")
    yield series("measured", y=n, **labels)
    for label, power in (("p^(5/3)", 5 / 3), ("p^2", 2)):
        yield series(label, y=n[0] * (p / p[0]) ** power, **labels)
    yield series("share of all pairs needed", x=p, y=n / p**2, xlabel="p")
    for size, pairs in zip(sizes, n.tolist(), strict=True):
        yield row(p=size, pairs=pairs, share=pairs / size**2)
    middle = sorted(found.slopes)[len(found.slopes) // 2]
    yield row(p="median slope", pairs=middle, share="")


@check(sizes)
def at_most_five_thirds(lab, sizes, order="uniform", rate=10.0):
    """The exponent of n* in p is at most 5/3."""
    found = fitted(lab, sizes, order, rate)
    yield from shown(lab, sizes, order, rate, found)
    yield found.measured.beside(printed=5 / 3).at_most(5 / 3)


@check(sizes)
def below_a_share(lab, sizes, order="uniform", rate=10.0):
    """The exponent of n* in p is at most 1.9: a constant share of all pairs would give 2."""
    found = fitted(lab, sizes, order, rate)
    yield from shown(lab, sizes, order, rate, found)
    yield found.measured.beside(printed=5 / 3).at_most(1.9)


SOURCE = Source(
    "Mohamadi et al., Why Do You Grok?", "Figure 1 (right) and Appendix A.2", "2407.12332"
)
GAP = (
    "Sizes below 22 (41 at standard): the exponent of the range, not of the limit, and the "
    "caption's criterion is not printed; ours is a test accuracy of one half. Train sets that fill "
    "rows of the addition table, and a rate of 1/1000, never generalise: their threshold is put at "
    "p^2. At smoke there are too few seeds for any interval."
)

figure_1_samples = Claim(
    id="mohamadi2024/figure-1-samples",
    title="Pairs needed grow no faster than p^(5/3)",
    source=SOURCE,
    statement=(
        r"in the classification setting $\tilde O(p^{5/3})$ pairs suffice for the test accuracy to "
        "pass one half"
    ),
    checks=(at_most_five_thirds, classification_by_autograd.part("the runs")),
    controls=(
        classification_by_autograd.but(divide=False),
        at_most_five_thirds.but(order="rows"),
        at_most_five_thirds.but(rate=0.01),
    ),
    hypotheses=("setting of A.2", "h = 4p", "uniform train sets"),
    expect={
        "smoke": Verdict.INCONCLUSIVE,
        "quick": Verdict.INCONCLUSIVE,
        "standard": Verdict.INCONCLUSIVE,
    },
    gap="The median slope is below 5/3 (1.62 from p = 13 to 41), but the interval of 24 seeds "
    "holds 5/3. " + GAP,
)

figure_1_share = Claim(
    id="mohamadi2024/figure-1-share",
    title="A falling share of all pairs suffices",
    source=SOURCE,
    origin="ours",
    statement=(
        r"in the classification setting the number of pairs needed for a test accuracy of one half "
        r"grows more slowly than $p^{1.9}$ over the sizes of the table: not like a constant share "
        r"of the $p^2$ pairs"
    ),
    checks=(below_a_share,),
    controls=(below_a_share.but(order="rows"), below_a_share.but(rate=0.01)),
    hypotheses=("setting of A.2", "h = 4p", "uniform train sets"),
    expect={"smoke": Verdict.INCONCLUSIVE},
    gap=GAP,
)
