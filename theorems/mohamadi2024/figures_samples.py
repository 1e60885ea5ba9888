"""Figure 1 (right) of Mohamadi et al.: how many pairs are needed, against p.

Setting of A.2 with n pairs out of p^2. For one seed the train sets of different sizes are nested.
Its threshold n* is where the best test accuracy of the first steps passes one half, interpolated
linearly between two sizes of the train set, and p^2 where it never does: at a start that cannot
learn the exponent is then exactly 2.

Cost: 6 n h p operations a step, run and size of the train set; about n* p^2 in all.
"""

import torch

from grokverify import Claim, Source, Verdict, check, row, series, stats
from grokverify.experiments import classification, classify

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


@check(sizes)
def threshold_exponent(lab, sizes, order="uniform", rate=10.0):
    """The exponent of n* in p is at most 5/3."""
    runs, last = lab.pick(smoke=4, quick=24), lab.pick(smoke=60, quick=120, standard=250)

    def draw(lab, n):
        return torch.stack([needed(lab, n, p, order, rate, last) for p in sizes], 1)

    name = "exponent of the pairs needed"
    found = stats.exponent(name, draw, sizes, lab=lab, w=None, seeds=runs)
    yield found.measured.beside(printed=5 / 3).at_most(5 / 3)
    n = draw(lab.at(["block", 0]), runs).median(0).values
    p = torch.tensor(sizes, dtype=torch.float64)
    guide = n[0] * (p / p[0]) ** (5 / 3)
    yield series("pairs needed", x=p, y=n, printed=guide, beside="p^(5/3)", xlabel="p", log="xy")
    guide = n[0] * (p / p[0]) ** 2
    yield series("pairs needed, p^2", x=p, y=n, printed=guide, beside="p^2", xlabel="p", log="xy")
    yield series("share of all pairs needed", x=p, y=n / p**2, xlabel="p")
    for size, pairs in zip(sizes, n.tolist(), strict=True):
        yield row(p=size, pairs=pairs, share=pairs / size**2)
    local = sorted(found.slopes)[len(found.slopes) // 2]
    yield row(p="median slope", pairs=local, share=found.drift)


figure_1_samples = Claim(
    id="mohamadi2024/figure-1-samples",
    title="Pairs needed grow no faster than p^(5/3)",
    source=Source(
        "Mohamadi et al., Why Do You Grok?", "Figure 1 (right) and Appendix A.2", "2407.12332"
    ),
    statement=(
        r"in the classification setting $\tilde O(p^{5/3})$ pairs suffice for the test accuracy to "
        "pass one half"
    ),
    checks=(threshold_exponent,),
    controls=(threshold_exponent.but(order="rows"), threshold_exponent.but(rate=0.01)),
    hypotheses=("setting of A.2", "h = 4p", "uniform train sets"),
    expect={"smoke": Verdict.INCONCLUSIVE},
    gap=(
        "Sizes below 22 (41 at standard): the exponent of the range, not of the limit, and the "
        "caption's criterion is not printed; ours is a test accuracy of one half. The median slope "
        "is below 5/3, near 3/2. Train sets that fill rows of the addition table, and a rate of "
        "1/1000, never generalise: their exponent is 2 by definition. Too few seeds at smoke."
    ),
)
