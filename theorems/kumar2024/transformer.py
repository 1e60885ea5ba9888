"""Kumar et al., Figures 6(b), 12 and 13(c): a one-layer transformer that learns a + b mod p.

Cost: 0.1 ms a step and run at p = 11, 0.5 ms at p = 17; smoke and quick 10 s, standard 2 min.
"""

from grokverify import Claim, Skip, Source, Verdict, approx, check, row, series
from grokverify.delay import crossing, value_at
from theorems.kumar2024._transformers import (
    PAPER,
    curves,
    late_error,
    learnt,
    log_loss_gap,
    streams,
    typical,
)

# The scales of Figures 6(b) and 12 and the two decays of Figure 12. Under AdamW what counts is rate
# times decay: at three times the rate of Nanda et al., 0.4 and 2 stand for about 1 and 5.
ALPHA, LAZIER, TINY, WEAK, STRONG = 0.5, 1.4, 0.15, 0.4, 2.0


def setting(lab):
    """Sizes of the network, share of the pairs that it is trained on, runs and steps."""
    if lab.profile in ("smoke", "quick"):
        raise Skip("trains transformers for most of a minute; run the standard profile")
    one = {"p": 17, "d": 32, "m": 64, "share": 0.8, "runs": 40, "steps": 1000}
    full = {"p": 113, "d": 128, "m": 512, "share": 0.3, "runs": 40, "steps": 20000}
    return [lab.pick(smoke=one, paper=full)]


def told(run, **of):
    when, late, v = learnt(run)
    yield row(
        **of,
        fit_time=float(when.median()),
        test_time=float(late.median()),
        test_accuracy_at_the_fit=float(v.median()),
        final_test_accuracy=float(1 - run[2][-1].median()),
        late_error=float(late_error(run).median()),
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
def along_decay(lab, p, d, m, share, runs, steps, until=4.0, times=STRONG / WEAK):
    """The same networks under a weak and a strong decay, at the scale of Figure 12(a) and (b)."""
    size = (streams(lab), p, d, m, share, runs, steps)
    weak, strong = (curves(*size, ALPHA, decay) for decay in (WEAK, times * WEAK))
    when, _, v = learnt(weak)
    t, _, far, _ = weak
    later = 1 - value_at(t, far, (until * when).clamp(max=float(t[-1])))
    yield typical(lab, 1, "P(test accuracy rises by 0.15 after the fit)", later > v + 0.15)
    fewer = late_error(strong) < late_error(weak)
    yield typical(lab, 2, "P(strong decay: fewer test errors after the fit)", fewer)
    for decay, run in ((WEAK, weak), (times * WEAK, strong)):
        yield from told(run, alpha=ALPHA, decay=decay)
        yield from one_network(run, f"decay {decay:.3g}")


@check(setting)
def decay_by_torch(lab, p, d, m, share, runs, steps, slip=1.0):
    """A few networks token by token, by torch's attention and AdamW: every loss is the same."""
    gap = log_loss_gap(lab, p, d, m, share, 300, ALPHA, STRONG, slip=slip)
    yield approx("largest difference of a log train loss", gap).at_most(1e-6)


decay_hastens = Claim(
    id="kumar2024/transformer-decay-hastens",
    source=Source(PAPER, "Figure 12(a) and (b), Section 13", "2310.06110"),
    title="Weight decay: fewer test errors of a small transformer after the fit",
    statement=(
        r"A one-layer transformer with $\alpha = 0.5$ learns $a + b \bmod p$ by AdamW and "
        r"cross-entropy. Each in more than half of the starts and train pairs of the sizes in the "
        r"table: the test accuracy rises by $0.15$ or more from the time $t_1$ at which $19$ of "
        r"$20$ train pairs are right to $4 t_1$; and five times the weight decay lowers the test "
        r"error, averaged over $\log t$ between these times."
    ),
    checks=(along_decay, decay_by_torch),
    controls=(
        along_decay.but(until=1.05),
        along_decay.but(times=1.0),
        decay_by_torch.but(slip=1.01),
    ),
    expect={"smoke": Verdict.SKIPPED, "quick": Verdict.SKIPPED},
    gap=(
        "p = 17 with a small network and four fifths of the pairs; the figure's p = 113 takes a "
        "GPU (profile paper). Nearly all of that rise comes by twice the fit; whether the delay "
        "vanishes under the strong decay, as in the figure, depends here on the level at which a "
        "set counts as learnt; the average has no level."
    ),
)


@check(setting)
def along_alpha(lab, p, d, m, share, runs, steps, large=LAZIER, small=TINY):
    """A smaller scale under the weak decay, and a larger one under the strong decay."""
    size = (streams(lab), p, d, m, share, runs, steps)
    plan = {
        "tiny": (small, WEAK),
        "middle": (ALPHA, WEAK),
        "strong": (ALPHA, STRONG),
        "strong, lazier": (large, STRONG),
    }
    found = {name: curves(*size, *of) for name, of in plan.items()}
    error = {name: late_error(run) for name, run in found.items()}
    fewer = error["tiny"] < error["middle"]
    yield typical(lab, 1, "P(tiny alpha: fewer test errors after the fit)", fewer)
    more = error["strong, lazier"] > error["strong"]
    yield typical(lab, 2, "P(larger alpha, strong decay: more test errors after the fit)", more)
    for name, (alpha, decay) in plan.items():
        yield from told(found[name], alpha=alpha, decay=decay)


@check(setting)
def alpha_by_torch(lab, p, d, m, share, runs, steps, slip=1.0):
    """The same agreement at the larger scale."""
    gap = log_loss_gap(lab, p, d, m, share, 300, LAZIER, STRONG, slip=slip)
    yield approx("largest difference of a log train loss", gap).at_most(1e-6)


scale_of_transformers = Claim(
    id="kumar2024/transformer-alpha",
    source=Source(PAPER, "Figures 6(b) and 12(c)", "2310.06110"),
    title="The output scale controls what a small transformer learns late",
    statement=(
        r"For one-layer transformers that learn $a + b \bmod p$, in more than half of the starts "
        r"and train pairs of the sizes in the table: the test error, averaged over $\log t$ from "
        r"the time of the fit to four times that, is smaller at $\alpha = 0.15$ than at $\alpha = "
        r"0.5$ under a weak decay, and larger at $\alpha = 1.4$ than at $0.5$ under a strong one."
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
    uses=("kumar2024/transformer-decay-hastens",),
    gap=(
        "Not decided at p = 17 (see the table). The figure's p = 113 with three tenths of the "
        "pairs takes a GPU, so this is no refutation, no positive control is offered, and the "
        "verdict stays open."
    ),
)


DECAY = 1.0  # 2.5 times that of the figure, which would show more of what decay does


def short(lab):
    one = {"p": 11, "d": 16, "m": 24, "share": 0.8, "runs": 28, "steps": 180}
    large = {"p": 17, "d": 32, "m": 64, "share": 0.8, "runs": 40, "steps": 120}
    return [lab.pick(smoke=one, standard=large)]


@check(short)
def departs(lab, p, d, m, share, runs, steps, level=0.5):
    """Train losses of the networks and of their linearisations, with and without decay."""
    size = (streams(lab), p, d, m, share, runs, steps, ALPHA)
    for k, decay in enumerate((DECAY, 0.0)):
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


@check(short)
def departs_by_torch(lab, p, d, m, share, runs, steps, slip=1.0):
    """A few networks and their tangents token by token, by torch, for a third of the steps."""
    for name, linear in (("networks", False), ("linearisations", True)):
        gap = log_loss_gap(lab, p, d, m, share, steps // 3, ALPHA, DECAY, linear, slip)
        yield approx(f"largest difference of a log train loss, {name}", gap).at_most(1e-6)


departure = Claim(
    id="kumar2024/transformer-leaves-its-linearisation",
    source=Source(PAPER, "Figure 13(c), Section 14", "2310.06110"),
    title="A transformer under AdamW leaves its linearisation before it fits, decay or not",
    statement=(
        r"Each in more than half of the starts and train pairs of the sizes in the table, at "
        r"$\alpha = 0.5$: when half of the train loss is left, the linearisation at the start, "
        r"trained by the same rule, has $1.5$ times as much. The same holds without weight decay."
    ),
    checks=(departs, departs_by_torch),
    controls=(departs.but(level=0.9), departs_by_torch.but(slip=1.01)),
    origin="ours",
    uses=("kumar2024/transformer-decay-hastens",),
    gap=(
        "p = 11 and 17. The text has it that the departure is due to the decay; here it is as "
        "large without."
    ),
)
