"""Kumar et al., Section 13: what weight decay does to the kernel, and to the polynomial regression.

Cost: the symbolic lines are instant; a few hundred runs of P D^2 operations a step.
"""

from dataclasses import replace
from functools import lru_cache

import sympy as sp

from grokverify import Claim, Source, approx, check, row, series, stats
from grokverify.flows.committee import descend, sample, train_network
from grokverify.forms import form, form_mean, mean_over, trace
from grokverify.kernels import tangent_gram
from grokverify.stats import interim
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# f = alpha/N sum_i phi(w_i . x), phi(h) = h + eps/2 h^2, y = (b . x)^2/2, x ~ N(0, I/D); decay
# alone moves every weight by dw = -kappa w dt.


# --- the kernel under decay ------------------------------------------------------------------
def twice_in_the_quadratic_part(eps, xz, wx, wz, xMz):
    return -(eps * xz * (wx + wz) + 2 * eps**2 * xz * xMz)


def once_in_both(eps, xz, wx, wz, xMz):
    return -(eps * xz * (wx + wz) + eps**2 * xz * xMz)


def of_all_parts(eps, xz, wx, wz, xMz):
    return twice_in_the_quadratic_part(eps, xz, wx, wz, xMz) - xz / 100


@check()
def rate_in_any_dimension(lab, speed=twice_in_the_quadratic_part):
    """D and N symbolic: K at the weights s w, differentiated at s = 1, where ds = -kappa dt."""
    eps, s, h = sp.symbols("epsilon s h")
    slope = sp.diff(h + eps * h**2 / 2, h)
    both = slope.subs(h, s * form("w", "x")) * slope.subs(h, s * form("w", "z"))
    K = mean_over(sp.expand(both * form("x", "z")), "w", first="wbar", second="M")
    words = form("x", "z"), form("wbar", "x"), form("wbar", "z"), form("x", "M", "z")
    yield residue("surviving terms", -sp.diff(K, s).subs(s, 1) - speed(eps, *words)).equals(0)


@check(lambda lab: [dict(N=N) for N in lab.pick(smoke=(2, 32), quick=(2, 8, 32, 128))])
def rate_of_a_network(lab, N, speed=twice_in_the_quadratic_part):
    """Gradients by torch at slightly smaller and larger weights; K in units of alpha^2/N."""
    D, eps, step = 6, 0.6, 1e-4
    W, x = lab.normal("w", N, D), lab.normal("x", 12, D) / D**0.5

    def f(at):
        h = x @ at["W"].mT
        return (h + eps / 2 * h**2).mean(-1)

    less, more = (N * tangent_gram(f, {"W": W * (1 + k * step)}) for k in (-1, 1))
    rate = (less - more) / (2 * step)
    wx, xMz = x @ W.mean(0), x @ (W.mT @ W / N) @ x.mT
    claimed = speed(eps, x @ x.mT, wx[:, None], wx[None, :], xMz)
    size, other = float(rate.norm()), float(claimed.norm())
    yield series("speed of the kernel over kappa", x=N, y=size, printed=other, xlabel="width N")
    yield row(N=N, speed=size, formula=other)
    yield approx("relative deviation", float((rate - claimed).norm()) / size).at_most(1e-6)


kernel_under_decay = Claim(
    id="kumar2024/kernel-under-decay",
    source=Source(PAPER, "beside Section 13", "2310.06110"),
    title="Decay alone moves the quadratic part of the kernel, at order kappa",
    statement=(
        r"Where the residuals vanish and only decay moves the weights, $\dot w = -\kappa w$, the "
        r"kernel (5) moves at the speed $-\kappa\,(x \cdot x') [\epsilon\, \bar w \cdot (x + x') + "
        r"2 \epsilon^2\, x^\top M x']$, for every $D$, $N$ and all weights: at order $\kappa$, and "
        r"its linear part $x \cdot x'$ not at all."
    ),
    checks=(rate_in_any_dimension, rate_of_a_network),
    controls=tuple(
        line.but(speed=off)
        for line in (rate_in_any_dimension, rate_of_a_network)
        for off in (once_in_both, of_all_parts)
    ),
    origin="ours",
    uses=("kumar2024/kernel-by-moments",),
    gap="Decay alone: while the residuals are large the gradient moves the kernel as well.",
)


# --- the norm of the solutions ---------------------------------------------------------------
def factor(D):
    return 4 * D**3 / (D + 2)


def factor_too_small(D):
    return 4 * D**3 / (D + 3)


@check()
def norm_in_any_dimension(lab, bound=factor):
    """With G = alpha eps (M - M_0) - bb' and d = wbar - wbar_0, f - y = x'Gx/2 + alpha d.x."""
    D, alpha = sp.symbols("D alpha")
    gap = form("x", "G", "x") / 2 + alpha * form("d", "x")
    loss = form_mean(sp.expand(gap**2), "x", variance=1 / D, dimension=D)
    # |G - (tr G/D) I|^2 and |d|^2, both at least 0
    spread, power = trace("G", "G") - trace("G") ** 2 / D, form("d", "d")
    rest = bound(D) / (2 * D**2) * spread + bound(D) * alpha**2 / D * power
    yield residue("surviving terms", bound(D) * loss - trace("G") ** 2 - rest).equals(0)


def setting(lab):
    return [
        lab.pick(
            smoke={"D": 10, "P": 45, "N": 24, "steps": 1500, "runs": 72},
            standard={"D": 20, "P": 115, "N": 50, "steps": 4500, "runs": 72},
        )
    ]


ALPHA, EPS, RATE, DECAY = 8.0, 0.5, 0.1, 1e-4


@check(setting)
def norm_along_runs(lab, D, P, N, steps, runs, bound=factor):
    """The same at every record of trained networks, and at M_0 + (bb' + I)/(alpha eps)."""
    problem = sample(lab, 8, D=D, P=P, N=N, alpha=1.0, eps=EPS)
    run = descend(problem, RATE, steps // 2, records=40)
    start, b = problem.Z.square().sum((1, 2)), problem.target.diagonal(dim1=1, dim2=2).sum(1)
    excess = EPS * start * (run.norm**2 - 1) - b  # alpha eps (|w|^2 - |w_0|^2)/N - |b|^2
    ratio = excess.square() / (bound(D) * run.test * problem.null)
    yield approx("square of the excess over its bound", float(ratio.max())).at_most(1 + 1e-9)
    # G = I: the excess is D, the loss is 1/4 + 1/(2D)
    isotropic = D**2 / (bound(D) * (1 / 4 + 1 / (2 * D)))
    yield approx("square of the excess over its bound", isotropic).at_most(1 + 1e-9)
    grown = (1 + b / (EPS * start)).sqrt()
    told = {"x": run.t, "xlabel": "step", "log": "x", "ylabel": "|w| / |w_0|"}
    solved = grown[0].expand(len(run.t))
    yield series(
        "norm of the weights", y=run.norm[:, 0], printed=solved, beside="at zero loss", **told
    )
    last = float((run.norm[-1] / grown).median())
    yield row(D=D, norm_over_that_of_the_solution=last, final_test=float(run.test[-1].median()))


solution_norm = Claim(
    id="kumar2024/norm-of-solutions",
    source=Source(PAPER, "beside Sections 3 and 13", "2310.06110"),
    title="The test loss pins the norm of the weights",
    statement=(
        r"With test loss $L$ and the output at the start taken off, every network has "
        r"$\left(\frac{\alpha\epsilon}{N} (|w|^2 - |w_0|^2) - |\beta|^2\right)^2 \le "
        r"\frac{4 D^3}{D + 2} L$, with equality where $\alpha\epsilon (M - M_0) - \beta\beta^\top$ "
        r"is a multiple of $I$ and the mean weight that of the start. So each "
        r"network of zero loss has $|w|^2 = |w_0|^2 + N |\beta|^2 / (\alpha\epsilon)$, more than "
        r"at the start; with the output at the start left in, $N |\beta|^2 / (\alpha\epsilon)$, "
        r"which is less where $\alpha\epsilon\, \mathrm{tr} M_0 > |\beta|^2$."
    ),
    hypotheses=("alpha eps > 0",),
    checks=(norm_in_any_dimension, norm_along_runs),
    controls=(
        norm_in_any_dimension.but(bound=factor_too_small),
        norm_along_runs.but(bound=factor_too_small),
    ),
    origin="ours",
    sharpens=("kumar2024/norm-grows",),
    uses=("kumar2024/loss-decomposition-with-readouts",),
    gap="None for the inequality; that training reaches a small loss is another matter.",
)


# --- decay and the norm ----------------------------------------------------------------------
@lru_cache(maxsize=8)
def losses(lab, D, P, N, steps, runs, centred):
    """Final test loss with and without decay, and the norm of a solution over that at the start."""
    problem = replace(sample(lab, runs, D=D, P=P, N=N, alpha=ALPHA, eps=EPS), centred=centred)
    last = [descend(problem, RATE, steps, decay=d, records=12).test[-1] for d in (DECAY, 0.0)]
    start, b = problem.Z.square().sum((1, 2)), problem.target.diagonal(dim1=1, dim2=2).sum(1)
    return *last, (centred + b / (ALPHA * EPS * start)).sqrt()


def shared(lab):
    return replace(lab.shared(["kumar2024/section-13", lab.path[3:]]), alpha=0.0)


def typical(lab, kth, name, events):
    """P(event) over data, target and start is at least one half, at this claim's risk."""
    return stats.frequency(name, events, lab.share(kth)).at_least(0.5)


def told(decayed, plain, norm):
    """The medians of the runs as a row and a series."""
    for d, v in ((DECAY, decayed), (0.0, plain)):
        yield series("median final test loss", x=d, y=float(v.median()), xlabel="rate x decay")
    yield row(
        with_decay=float(decayed.median()),
        without=float(plain.median()),
        norm_of_a_solution_over_start=float(norm.median()),
    )


@check(setting)
@interim(40)
def decay_helps(lab, D, P, N, steps, runs, centred=False):
    """The same problems with and without decay."""
    decayed, plain, norm = losses(shared(lab), D, P, N, steps, runs, centred)
    yield typical(lab, 1, "P(decay lowers the test loss)", decayed < plain)
    yield typical(lab, 2, "P(solutions have less norm than the start)", norm < 1)
    yield from told(decayed, plain, norm)


def by_autograd(lab, D, P, N, steps, centred):
    """Median of the test loss with decay over that without: nine problems, all N neurons."""
    problem = sample(lab, 9, D=D, P=P, N=N, alpha=ALPHA, eps=EPS)
    problem = replace(problem, centred=centred)
    probe, W = lab.normal("probe", 9, 500, D) / D**0.5, lab.normal("w", 9, N, D)
    decayed, plain = (
        train_network(W, problem, RATE, [0, steps], decay=d, probe=probe)[1][-1]
        for d in (DECAY, 0.0)
    )
    return float((decayed / plain).median())


@check(setting)
def decay_helps_all_neurons(lab, D, P, N, steps, runs, centred=False):
    """Automatic differentiation, test losses on fresh samples."""
    ratio = by_autograd(lab, D, P, N, steps, centred)
    yield approx("median test loss, with decay over without", ratio).at_most(0.95)


helps = Claim(
    id="kumar2024/decay-helps-where-the-norm-falls",
    source=Source(PAPER, "Section 13", "2310.06110"),
    title="Where solutions have less norm than the start, decay brings the network nearer to them",
    statement=(
        r"With the output at the start left in, $\alpha = 8$ and $\epsilon = 1/2$, networks of "
        r"zero loss have less norm than the start in more than half of the problems of the sizes "
        r"in the table; and decay by $10^{-4}$ a step lowers the test loss after the same number "
        r"of steps in more than half of them."
    ),
    checks=(decay_helps, decay_helps_all_neurons),
    controls=(
        decay_helps.but(centred=True),
        decay_helps_all_neurons.but(centred=True),
    ),
    uses=("kumar2024/norm-of-solutions",),
    gap=(
        "One setting and one decay; a decay ten times as large keeps the network from fitting. The "
        "paper calls its argument speculative."
    ),
)


@check(setting)
@interim(40)
def decay_hurts(lab, D, P, N, steps, runs, centred=True):
    """The same problems with and without decay."""
    decayed, plain, norm = losses(shared(lab), D, P, N, steps, runs, centred)
    yield typical(lab, 1, "P(decay raises the test loss)", decayed > plain)
    yield typical(lab, 2, "P(solutions have more norm than the start)", norm > 1)
    yield from told(decayed, plain, norm)


@check(setting)
def decay_hurts_all_neurons(lab, D, P, N, steps, runs, centred=True):
    """Automatic differentiation, test losses on fresh samples."""
    ratio = by_autograd(lab, D, P, N, steps, centred)
    yield approx("median test loss, with decay over without", ratio).at_least(1.1)


hurts = Claim(
    id="kumar2024/decay-hurts-where-the-norm-grows",
    source=Source(PAPER, "beside Section 13", "2310.06110"),
    title="Where solutions have more norm than the start, decay keeps the network from them",
    statement=(
        r"With the output at the start taken off, $\alpha = 8$ and $\epsilon = 1/2$, networks of "
        r"zero loss have more norm than the start, and decay by $10^{-4}$ a step raises the test "
        r"loss after the same number of steps, in more than half of the problems of the sizes in "
        r"the table."
    ),
    checks=(decay_hurts, decay_hurts_all_neurons),
    controls=(
        decay_hurts.but(centred=False),
        decay_hurts_all_neurons.but(centred=False),
    ),
    uses=("kumar2024/norm-of-solutions", "kumar2024/decay-helps-where-the-norm-falls"),
    origin="ours",
    gap="One setting and one decay, the same as for the claim on the other case.",
)
