"""Figures 1 (middle) and 4 of Mohamadi et al.: initialisation scale, grokking and norms.

Setting of A.2: normalised descent with rate 10, penalty 1e-20, n = 2 p^(5/3) pairs, start as in
PyTorch times alpha. Widths are not printed; h = 4p as in Figure 3. "Half" is the first step from
which on the accuracy exceeds one half; the lag is that of the test set minus that of the train set.

Cost: 6 n h p operations a step and run; 32 runs and 160 steps at p = 23 take about a second.
"""

from dataclasses import replace

import torch

from grokverify import Claim, Source, Verdict, check, exact, row, series, stats
from grokverify.delay import delay, lag
from grokverify.experiments import classification, classify, fit_time, learn_time, shared
from theorems.mohamadi2024._figures_by_autograd import classification_by_autograd

PAPER = "Mohamadi et al., Why Do You Grok?"


def most(name, lab, event, *, runs, kth=1):
    """Whether the event has probability at least 1/2, from one block of independent runs."""
    return stats.decide(name, event, lab=replace(lab, trials=runs), at_least=0.5, kth=kth)


def errors(run):
    return run.t, 1 - run["train"].double(), 1 - run["test"].double()


def accuracies(run, label, plot, **events):
    """The median run, with the median times of its events."""
    train, test = (run[name][1:].median(1).values for name in ("train", "test"))
    labels = dict(xlabel="step", ylabel="median accuracy", log="x", beside="train accuracy")
    marks = {name.replace("_", " "): when.median() for name, when in events.items()}
    return series(label, x=run.t[1:], y=test, printed=train, plot=plot, marks=marks, **labels)


def sizes(lab):
    return [
        dict(p=p) for p in lab.pick(smoke=(23,), standard=(23, 47), paper=(23, 47, 59, 97, 113))
    ]


def scaled(lab, n, p, scale):
    s = classification(p, runs=n, last=160, scale=scale)
    return classify(shared(lab, "scale"), s)


@check(sizes)
def smaller_start_lags_less(lab, p, small=0.1, large=10.0):
    """The lag in steps from alpha = 0.1 is below that from alpha = 10, with the same draws."""

    def event(lab, n):
        low, high = (lag(*errors(scaled(lab, n, p, a)), 0.5) for a in (small, large))
        return low < high

    yield most("P(smaller start lags less)", lab, event, runs=48)
    for alpha in (0.1, 1.0, 10.0):
        run = scaled(lab.at(["block", 0]), 48, p, alpha)
        steps, decades = lag(*errors(run), 0.5), delay(*errors(run), 0.5)
        yield row(p=p, alpha=alpha, lag=steps.median(), decades=decades.median())
        yield accuracies(run, f"alpha = {alpha:g}", f"test accuracy, p = {p}")
        if steps.median().isfinite():
            yield series("lag", x=alpha, y=steps.median(), xlabel="alpha", ylabel="steps", log="xy")


@check(sizes)
def gap_closes(lab, p, small=0.1):
    """From alpha = 0.1 the train and the test accuracy pass one half within a factor 10^0.1."""

    def event(lab, n):
        return delay(*errors(scaled(lab, n, p, small)), 0.5) <= 0.1

    run = scaled(lab.at(["block", 0]), 32, p, small)
    gap = delay(*errors(run), 0.5)
    yield row(p=p, alpha=small, decades=gap.median(), least=gap.min())
    yield accuracies(run, f"alpha = {small:g}", f"test accuracy, p = {p}")
    yield most("P(no gap from the smallest start)", lab, event, runs=32)


MIDDLE = Source(PAPER, "Figure 1 (middle)", "2407.12332")

figure_1_scale = Claim(
    id="mohamadi2024/figure-1-scale",
    title="A smaller start lags less (classification)",
    source=MIDDLE,
    statement=r"reducing the scale $\alpha$ of the start shortens the lag of the test accuracy",
    checks=(smaller_start_lags_less, classification_by_autograd.part("the runs")),
    controls=(
        classification_by_autograd.but(divide=False),
        smaller_start_lags_less.but(small=10.0, large=0.1),
    ),
    hypotheses=("setting of A.2", "h = 4p", "in at least half of the runs"),
    gap=(
        "The lag is counted in steps between alpha = 0.1 and 10; the figure's scales and p are not "
        "printed. In decades of steps the gap is no monotone function of alpha (last column): a "
        "large start is late on the train set as well. Statistical, one width."
    ),
)

figure_1_gap = Claim(
    id="mohamadi2024/figure-1-gap",
    title="A small start leaves no gap (classification)",
    source=MIDDLE,
    statement=r"a small enough $\alpha$ eliminates the gap between train and test curves",
    checks=(gap_closes, classification_by_autograd.part("the runs")),
    controls=(classification_by_autograd.but(divide=False),),
    expect=Verdict.INCONCLUSIVE,
    gap=(
        "Not seen at p = 23 (nor at 47): the test accuracy still lags by more than half a "
        "decade, because a first step of length 10 forgets a small start. A failure at our sizes "
        "and width is no refutation of a figure that prints neither, so no positive control is "
        "offered and the verdict stays open. Here: paper profile, p up to 113."
    ),
)


# Figure 4


def grok_sizes(lab):
    chosen = dict(smoke=(17,), quick=(17, 23), standard=(23, 47), paper=(23, 47, 59, 97, 113))
    return [dict(p=p) for p in lab.pick(**chosen)]


@check(grok_sizes)
def learns_late(lab, p, labels="true", rate=10.0):
    """Train accuracy passes one half, test accuracy three times as late, and reaches 3/4."""

    def run(lab, n):
        return classify(lab, classification(p, runs=n, labels=labels, rate=rate))

    def late(lab, n):
        gap = delay(*errors(run(lab, n)), 0.5)
        return gap.isfinite() & (gap >= 0.477)

    def learns(lab, n):
        return run(lab, n)["test"].amax(0) >= 0.75

    yield most("P(test accuracy reaches 3/4)", lab, learns, runs=40)
    yield most("P(test lags by a factor 3)", lab, late, runs=40, kth=2)
    seen = run(lab.at(["block", 0]), 40)
    gap = delay(*errors(seen), 0.5)
    yield row(p=p, train=seen["train"][-1].median(), test=seen["test"].amax(0).median())
    yield series("lag in decades", x=p, y=gap.nan_to_num(posinf=9).median(), xlabel="p")
    events = dict(fit=fit_time(seen), learnt=learn_time(seen))
    yield accuracies(seen, "test accuracy", f"accuracy, p = {p}", **events)


figure_4_grokking = Claim(
    id="mohamadi2024/figure-4-grokking",
    title="Test accuracy follows train accuracy late",
    source=Source(PAPER, "Figure 4 (left)", "2407.12332"),
    statement=(
        r"with $n = 2 p^{5/3}$ pairs the test accuracy reaches three quarters, and it passes one "
        "half after three times as many steps as the train accuracy"
    ),
    checks=(learns_late, classification_by_autograd.part("the runs")),
    controls=(
        classification_by_autograd.but(divide=False),
        learns_late.but(labels="shuffled"),
        learns_late.but(rate=0.01),
    ),
    hypotheses=("setting of A.2", "h = 4p", "in at least half of the runs"),
    gap=(
        "Three quarters and the factor 3 are ours: the caption says large and long after. Near "
        "accuracy 1 the test "
        "curve goes up and down at this rate. Shuffled labels and rate / 1000 never generalise."
    ),
)


SEEDS = 64


def norm_sizes(lab):
    chosen = lab.pick(smoke=(9, 11, 13, 17), quick=(11, 13, 17, 23), standard=(17, 23, 29, 41))
    return [dict(sizes=list(chosen))]


@check(norm_sizes)
def sup_norm_exponent(lab, sizes, growth=0, steps=160):
    """The exponent of |theta|_inf in p, after the same number of steps, is below 0."""

    def draw(lab, n):
        return sup_norms(lab, n, sizes, growth, steps)

    found = stats.exponent("exponent of the norm in p", draw, sizes, lab=lab, w=None, seeds=SEEDS)
    yield found.measured.at_most(0)
    values = sup_norms(lab.at(["block", 0]), SEEDS, sizes, growth, steps).median(0).values
    yield series("norm after the fit", x=sizes, y=values, xlabel="p", ylabel="median", log="xy")
    for p, value in zip(sizes, values.tolist(), strict=True):
        yield row(p=p, norm=value, steps=steps)


def sup_norms(lab, n, sizes, growth, steps):
    runs = []
    for p in sizes:
        pairs = min(round(2 * p ** (5 / 3)), round(0.9 * p * p))
        s = classification(p, n=pairs, runs=n, last=steps, rate=10.0 * (p / sizes[0]) ** growth)
        runs.append(classify(lab.at(p), s)["sup"][-1])
    return torch.stack(runs, 1)


figure_4_norm = Claim(
    id="mohamadi2024/figure-4-norm",
    title="The sup-norm does not grow with p (classification)",
    source=Source(PAPER, "Figure 4 (right)", "2407.12332"),
    statement=(
        r"after the same number of steps $\|\theta\|_\infty$ of the trained network does not grow "
        r"with $p$: its exponent over the sizes of the table is negative"
    ),
    checks=(sup_norm_exponent, classification_by_autograd.part("the runs")),
    controls=(
        classification_by_autograd.but(divide=False),
        sup_norm_exponent.but(growth=1),
    ),
    hypotheses=("setting of A.2", "h = 4p", "the rate is 10 for every p"),
    gap=(
        "After a fixed number of steps: under cross-entropy every norm grows for ever. With a rate "
        "that grows like p (the control) it grows, though more slowly than the rate. Four sizes "
        "below 25 (41 at standard) are consistent with an exponent and establish none."
    ),
)


# The penalty of A.2


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(11,), quick=(11, 23), standard=(23, 47))])
def penalty_is_rounded_away(lab, p, penalty=1e-20):
    """Runs with and without the penalty agree in every bit of every norm at every record."""
    s = classification(p, runs=16, last=40)
    without, given = (classify(lab, replace(s, sup=x)) for x in (0.0, penalty))
    differ = sum(
        int((without[k] != given[k]).sum()) for k in ("sup", "euclid", "train loss", "test loss")
    )
    yield exact("numbers that differ", differ).equals(0)
    yield row(p=p, train=given["train"][-1].median(), compared=4 * given["sup"].numel())
    yield series("test accuracy after 40 steps", x=p, y=given["test"][-1].median(), xlabel="p")


tiny_penalty = Claim(
    id="mohamadi2024/tiny-penalty",
    title="A penalty of 1e-20 is rounded away until the fit",
    source=Source(PAPER, "Appendix A.2 and Figure 4", "2407.12332"),
    origin="ours",
    statement=(
        r"in float32 the penalty $10^{-20}\|\theta\|_\infty$ does not change a single bit of the "
        "first 40 steps of A.2, in which the train accuracy passes 0.9"
    ),
    checks=(penalty_is_rounded_away,),
    controls=(penalty_is_rounded_away.but(penalty=1e-4),),
    hypotheses=("float32, the default of JAX", "h = 4p"),
    gap=(
        "So the penalty does not cause the transition that Figure 4 shows at these sizes. Later it "
        "does act: once the softmax is 1 to float32 on every example the gradient of the loss is "
        "0, (A.1) without the penalty is 0/0 (at p = 11 within 100 steps), and with it a step of "
        "length 10 along the penalty alone. The precision of A.2 is not printed."
    ),
)
