"""Kumar et al., Figures 6(b), 12 and 13(c): a one-layer transformer that learns a + b mod p.

Cost: 0.1 ms a step and run at p = 11, 0.5 ms at p = 17; quick 20 s, standard 4 min.
"""

from dataclasses import replace

from grokverify import Claim, Skip, Source, Verdict, approx, check, row, series
from grokverify.delay import crossing, value_at
from theorems.kumar2024._transformers import (
    FEW,
    PAPER,
    by_torch,
    curves,
    gap_area,
    learnt,
    streams,
    typical,
)

# The two scales and the two decays of Figure 12. Under AdamW what counts is rate times decay: at
# three times the rate of Nanda et al., 0.4 and 2 stand for about 1 and 5.
ALPHA, LAZIER, TINY, WEAK, STRONG = 0.5, 1.4, 0.15, 0.4, 2.0


def setting(lab):
    """Sizes of the network, share of the pairs that it is trained on, runs and steps."""
    if lab.profile == "smoke":
        raise Skip("trains transformers for ten seconds; run the quick profile")
    one = {"p": 11, "d": 16, "m": 24, "share": 0.8, "runs": 48, "steps": 1000}
    large = {"p": 17, "d": 32, "m": 64, "share": 0.8, "runs": 40, "steps": 2000}
    full = {"p": 113, "d": 128, "m": 512, "share": 0.3, "runs": 40, "steps": 20000}
    return [lab.pick(smoke=one, standard=large, paper=full)]


def told(run, **of):
    when, late, v = learnt(run)
    yield row(
        **of,
        fit_time=float(when.median()),
        test_time=float(late.median()),
        test_accuracy_at_the_fit=float(v.median()),
        final_test_accuracy=float(1 - run[2][-1].median()),
        gap_area=float(gap_area(run).median()),
    )


def one_network(run, name):
    t, fit, far, _ = run
    yield series(
        f"test accuracy of one network, {name}",
        beside="train accuracy",
        x=t,
        y=1 - far[:, 0],
        printed=1 - fit[:, 0],
        xlabel="step",
        log="x",
    )


@check(setting)
def along_decay(lab, p, d, m, share, runs, steps, until=1e9, times=STRONG / WEAK):
    """The same networks under a weak and a strong decay, at the scale of Figure 12(a) and (b)."""
    size = (streams(lab), p, d, m, share, runs, steps)
    weak, strong = (curves(*size, ALPHA, decay) for decay in (WEAK, times * WEAK))
    when, _, v = learnt(weak)
    t, _, far, _ = weak
    later = 1 - value_at(t, far, (until * when).clamp(max=float(t[-1])))
    yield typical(lab, 1, "P(test accuracy rises by 0.15 after the fit)", later > v + 0.15)
    narrower = gap_area(strong) < gap_area(weak)
    yield typical(lab, 2, "P(strong decay: a smaller gap area)", narrower)
    for decay, run in ((WEAK, weak), (times * WEAK, strong)):
        yield from told(run, alpha=ALPHA, decay=decay)
        yield from one_network(run, f"decay {decay:.3g}")


def log_loss_gap(lab, p, d, m, share, steps, alpha, slip):
    """Between the two codes, for a few networks in double precision and the early steps."""
    size = (replace(streams(lab).at("few"), dtype="float64"), p, d, m, share)
    steps = min(steps, 300)
    *_, mine = curves(*size, FEW, steps, alpha, STRONG)
    *_, torchs = by_torch(*size, steps, alpha, slip * STRONG)
    return float((mine / torchs).log().abs().max())


@check(setting)
def decay_by_torch(lab, p, d, m, share, runs, steps, slip=1.0):
    """A few networks token by token, by torch's attention and AdamW: every loss is the same."""
    gap = log_loss_gap(lab, p, d, m, share, steps, ALPHA, slip)
    yield approx("largest difference of a log train loss", gap).at_most(1e-6)


decay_narrows = Claim(
    id="kumar2024/transformer-decay-narrows-the-gap",
    source=Source(PAPER, "Figure 12(a) and (b), Section 13", "2310.06110"),
    title="Weight decay narrows the gap of a transformer that learns late",
    statement=(
        r"A one-layer transformer with $\alpha = 0.5$ learns $a + b \bmod p$ by AdamW and "
        r"cross-entropy. Each in more than half of the starts and train pairs of the sizes in the "
        r"table: from the time when $19$ of $20$ train pairs are right to the end the test "
        r"accuracy rises by $0.15$ or more; and five times the weight decay makes "
        r"$\int (\mathrm{err}_{\mathrm{test}} - \mathrm{err}_{\mathrm{train}})\, d \log t$ smaller."
    ),
    checks=(along_decay, decay_by_torch),
    controls=(
        along_decay.but(until=1.05),
        along_decay.but(times=1.0),
        decay_by_torch.but(slip=1.01),
    ),
    expect={"smoke": Verdict.SKIPPED},
    gap=(
        "p = 11 and 17 with small networks and four fifths of the pairs; the figure has p = 113, "
        "which takes a GPU (profile paper). Whether the delay vanishes under the strong decay, as "
        "in the figure, depends here on the level at which a set counts as learnt; the area has "
        "no level."
    ),
)


def longer_setting(lab):
    if lab.profile == "quick":
        raise Skip("trains transformers for minutes; run the standard profile")
    return setting(lab)


@check(longer_setting)
def along_alpha(lab, p, d, m, share, runs, steps, large=LAZIER, small=TINY):
    """A smaller scale under the weak decay of its figure, a larger one under the strong decay."""
    size = (streams(lab), p, d, m, share, runs, steps)
    middle = (WEAK + 0.6, ALPHA)
    plan = {"tiny": (middle[0], small), "middle": middle} | {
        "strong": (STRONG, ALPHA),
        "strong, lazier": (STRONG, large),
    }
    found = {name: curves(*size, alpha, decay) for name, (decay, alpha) in plan.items()}
    area = {name: gap_area(run) for name, run in found.items()}
    yield typical(lab, 1, "P(tiny alpha: a smaller gap area)", area["tiny"] < area["middle"])
    back = area["strong, lazier"] > area["strong"]
    yield typical(lab, 2, "P(larger alpha: a larger gap area)", back)
    for name, (decay, alpha) in plan.items():
        yield from told(found[name], alpha=alpha, decay=decay)
        yield series("median gap area", x=alpha, y=float(area[name].median()), xlabel="alpha")


@check(longer_setting)
def alpha_by_torch(lab, p, d, m, share, runs, steps, slip=1.0):
    """The same agreement at the larger scale."""
    gap = log_loss_gap(lab, p, d, m, share, steps, LAZIER, slip)
    yield approx("largest difference of a log train loss", gap).at_most(1e-6)


scale_of_transformers = Claim(
    id="kumar2024/transformer-alpha",
    source=Source(PAPER, "Figures 6(b) and 12(c)", "2310.06110"),
    title="The output scale controls the gap of a small transformer, as printed for a large one",
    statement=(
        r"For one-layer transformers that learn $a + b \bmod p$, in more than half of the starts "
        r"and train pairs of the sizes in the table: the gap area of "
        r"kumar2024/transformer-decay-narrows-the-gap is smaller at $\alpha = 0.15$ than at "
        r"$\alpha = 0.5$; and under the strong decay it is larger at $\alpha = 1.4$ than at $0.5$."
    ),
    checks=(along_alpha, alpha_by_torch),
    controls=(
        along_alpha.but(large=ALPHA),
        along_alpha.but(small=ALPHA),
        alpha_by_torch.but(slip=1.01),
    ),
    expect={
        "smoke": Verdict.SKIPPED,
        "quick": Verdict.SKIPPED,
        "standard": Verdict.INCONCLUSIVE,
    },
    uses=("kumar2024/transformer-decay-narrows-the-gap",),
    gap=(
        "Not seen at p = 17: at the small scale the gap is about as wide, and under the strong "
        "decay the larger scale rather narrows it. The figure's p = 113 with three tenths of the "
        "pairs takes a GPU, so this is no refutation, no positive control is offered, and the "
        "verdict stays open."
    ),
)


def short(lab):
    one = {"p": 11, "d": 16, "m": 24, "share": 0.8, "runs": 28, "steps": 180}
    large = {"p": 17, "d": 32, "m": 64, "share": 0.8, "runs": 40, "steps": 120}
    return [lab.pick(smoke=one, standard=large)]


@check(short)
def departs(lab, p, d, m, share, runs, steps, level=0.5, alpha=ALPHA):
    """Train losses of the networks and of their linearisations, with and without decay."""
    size = (streams(lab), p, d, m, share, runs, steps, alpha)
    for k, decay in enumerate((1.0, 0.0)):
        (t, fit, _, own), (_, _, _, twin) = (curves(*size, decay, lin) for lin in (False, True))
        name = "with decay" if decay else "without decay"
        half, when = crossing(t, own / own[0], level), crossing(t, fit, 0.05)
        apart = [value_at(t, twin, s) / value_at(t, own, s) for s in (half, when)]
        beside = half.isfinite() & (apart[0] > 1.5)
        yield typical(lab, k + 1, f"P(half the loss left: 1.5 times as much, {name})", beside)
        yield row(
            decay=decay,
            half_time=float(half.median()),
            ratio_there=float(apart[0].median()),
            fit_time=float(when.median()),
            ratio_at_the_fit=float(apart[1].median()),
        )
        yield series(
            f"train loss of one network, {name}",
            beside="linearised",
            x=t,
            y=own[:, 0],
            printed=twin[:, 0],
            xlabel="step",
            log="xy",
        )


departure = Claim(
    id="kumar2024/transformer-leaves-its-linearisation",
    source=Source(PAPER, "Figure 13(c), Section 14", "2310.06110"),
    title="A transformer under AdamW leaves its linearisation before it fits, decay or not",
    statement=(
        r"Each in more than half of the starts and train pairs of the sizes in the table, at "
        r"$\alpha = 0.5$: when half of the train loss is left, the linearisation at the start, "
        r"trained by the same rule, has $1.5$ times as much. The same holds without weight decay."
    ),
    checks=(departs,),
    controls=(departs.but(level=0.9), departs.but(alpha=5.0)),
    origin="ours",
    uses=("kumar2024/transformer-decay-narrows-the-gap",),
    gap=(
        "p = 11 and 17. The text has it that the departure is due to the decay; here it is as "
        "large without. At alpha = 5 the two losses agree for longer (a control)."
    ),
)
