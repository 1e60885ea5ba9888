"""What the max-norm penalty of Mohamadi et al., (2.2), does once the train set is fitted.

Regression, setting of A.1: gradient descent from the default start (alpha = 1), rate p/25, h = 4p,
here on 0.85 p^3 triples. The train set is fitted within 300 steps. From then on the gradient of the
loss is next to nothing, and without a penalty nothing moves any more: the unseen loss stays where
it is. A penalty of 0.02 lowers the sup-norm and, with it, the unseen loss, which is the trend that
Theorem 3.6 has: of two interpolators that of smaller sup-norm is the better one. The printed 1e-4
does nothing in as many steps. By how much the unseen loss falls differs from run to run by a factor
of six (between the tenth and the ninetieth in a hundred): an eighth of the penalty is told apart
from the whole by 192 runs, a half is not.

Cost: about 12 n h operations a step and run; 192 runs at p = 5 take four seconds.
"""

from dataclasses import replace

from grokverify import Claim, Source, check, row, series, stats
from grokverify.experiments import regress, regression
from theorems.mohamadi2024._figures_by_autograd import regression_by_autograd

SOURCE = Source(
    "Mohamadi et al., Why Do You Grok?", "beside (2.2), Theorem 3.6 and Appendix A.1", "2407.12332"
)
RUNS, FITTED, LAST = 192, 300, 1500


def sizes(lab):
    return [dict(p=p) for p in lab.pick(smoke=(5,), standard=(5, 6, 7))]


def trained(lab, runs, p, sup, slow, labels="true"):
    s = regression(p, n=round(0.85 * p**3), rate=p / 25 / slow, runs=runs, last=LAST)
    return regress(lab, replace(s, sup=sup, labels=labels))


def at_fit(run):
    """The first record from step 300 on."""
    return int((run.t >= FITTED).nonzero()[0])


def fallen(run, name):
    """Its last value over that at step 300."""
    return run[name][-1] / run[name][at_fit(run)]


def most(name, lab, event, *, kth=1):
    """Whether the event has probability at least 1/2, from one block of independent runs."""
    return stats.decide(name, event, lab=replace(lab, trials=RUNS), at_least=0.5, kth=kth)


@check(sizes)
def penalty_goes_on(lab, p, sup=0.02, slow=1):
    """Beside the same run without penalty the unseen loss ends a twentieth lower, in most runs.

    And the sup-norm falls by a twentieth between steps 300 and 1500.
    """

    def lower(lab, n):
        with_it, without = (trained(lab, n, p, x, slow)["unseen"][-1] for x in (sup, 0.0))
        return with_it < 0.95 * without

    def smaller(lab, n):
        run = trained(lab, n, p, sup, slow)
        return fallen(run, "sup") < 0.95

    def fitted(lab, n):
        run = trained(lab, n, p, sup, slow)
        return run["train"][at_fit(run)] < p / 100

    yield most("P(unseen loss a twentieth below that without penalty)", lab, lower)
    yield most("P(the sup-norm falls by a twentieth)", lab, smaller, kth=2)
    yield most("P(the train loss is below p/100 at step 300)", lab, fitted, kth=3)
    for given, labels in lab.pick(
        smoke=((sup, "true"), (0.0, "true")),
        quick=((sup, "true"), (0.0, "true"), (sup, "shuffled")),
    ):
        run = trained(lab.at(["block", 0]), RUNS, p, given, slow, labels)
        told = {name: fallen(run, name).median() for name in ("sup", "unseen")}
        yield row(p=p, penalty=given, labels=labels, **told)
        if labels == "true":
            for name, unit in (("sup", 1), ("unseen", p)):
                yield series(
                    f"penalty {given:g}",
                    plot=f"{name}{' / p' * (unit > 1)}, p = {p}",
                    x=run.t[1:].tolist(),
                    y=(run[name][1:] / unit).median(1).values,
                    xlabel="step",
                    ylabel="median",
                    log="xy",
                    marks={"fitted": FITTED},
                )


penalty_after_the_fit = Claim(
    id="mohamadi2024/penalty-after-the-fit",
    title="After the fit only the penalty lowers the sup-norm and the unseen loss",
    source=SOURCE,
    origin="ours",
    statement=(
        r"from the default start, on $0.85\,p^3$ triples at $p = 5$, the train loss is below "
        "a hundredth of the null loss at step 300; from there to step 1500 the penalty "
        r"$0.02\,\|\theta\|_\infty$ lowers the sup-norm by more than a twentieth, and the loss on "
        "unseen triples ends by more than a twentieth below that of the same run without penalty, "
        "in most runs; with the printed penalty it does not"
    ),
    checks=(penalty_goes_on, regression_by_autograd.part("the runs")),
    controls=(
        penalty_goes_on.but(sup=0.0025),
        penalty_goes_on.but(sup=1e-4),
        penalty_goes_on.but(slow=3),
        regression_by_autograd.but(halved=True),
    ),
    hypotheses=("h = 4p", "rate p/25", "alpha = 1"),
    uses=("mohamadi2024/theorem-3.6",),
    gap=(
        "A trend in small runs, at a penalty that is not the printed one. The unseen loss "
        "stays above that of the zero predictor at p = 5; part of its fall is that a smaller "
        "network errs by less: with shuffled labels it falls as well (last rows)."
    ),
)
