"""Figure 5 of Mohamadi et al.: a one-layer transformer, at a size that a CPU can train.

Setting of A.3: full-batch gradient descent on cross-entropy, n = 2 p^(5/3) pairs, starts as in
PyTorch. Tokens a, b and "=", learned positions, one block of attention and a ReLU network with skip
connections and no normalisation, logits at "=". Depth is printed, widths and heads are not: 24
features, 4 heads and 96 hidden units here. The printed rate 1/4 overflows in a run or two of 32 at
this size; 0.15 is used. The printed penalty 1e-20 is far below the rounding of every weight in
float32 and is left out.

Cost: about a millisecond a step and run at p = 11, most of it memory traffic.
"""

import math
from dataclasses import replace
from functools import lru_cache

import torch
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from grokverify import Claim, Skip, Source, Verdict, approx, check, row, series, stats
from grokverify.delay import crossing, value_at
from grokverify.modular import classification_scores, sums
from grokverify.runs import log_times, train
from grokverify.training import State, gradient_descent

FIGURE = Source("Mohamadi et al., Why Do You Grok?", "Figure 5 and Appendix A.3", "2407.12332")
D, HEADS, HIDDEN, RUNS, STEPS = 24, 4, 96, 32, 480
RATE = 0.15


def start(lab, p, runs):
    """Embeddings normal, linear maps (and biases) uniform on +-1/sqrt(fan in), as in PyTorch."""
    lab = replace(lab, dtype="float32")
    tokens, places = lab.normal("E", runs, p + 1, D), lab.normal("P", runs, 3, D)
    square = [lab.uniform(k, runs, D, D) / D**0.5 for k in ("Q", "K", "V", "O")]
    up, shift = lab.uniform("A", runs, HIDDEN, D) / D**0.5, lab.uniform("s", runs, HIDDEN) / D**0.5
    down = lab.uniform("B", runs, D, HIDDEN) / HIDDEN**0.5
    lift = lab.uniform("l", runs, D) / HIDDEN**0.5
    out = lab.uniform("U", runs, p, D) / D**0.5
    return (tokens, places, *square, up, shift, down, lift, out)


def logits(theta, a, b):
    E, P, Q, K, V, O, A, s, B, l, U = theta
    equals = E[-1].expand(len(a), D)
    x = torch.stack([E[a], E[b], equals], 1) + P
    q = (x[:, 2] @ Q.T).view(-1, HEADS, D // HEADS)
    k, v = ((x @ M.T).view(-1, 3, HEADS, D // HEADS) for M in (K, V))
    weight = (torch.einsum("nhe,nshe->nhs", q, k) / math.sqrt(D // HEADS)).softmax(-1)
    heads = torch.einsum("nhs,nshe->nhe", weight, v).reshape(-1, D)
    y = x[:, 2] + heads @ O.T
    y = y + torch.relu(y @ A.T + s) @ B.T + l
    return y @ U.T


def kernel(theta, a, b):
    """The eNTK of the first logit, its gradients by every parameter contracted."""
    first = vmap(
        grad(lambda th, i, j: logits(th, i[None], j[None])[0, 0]), (None, 0, 0)
    )  # one gradient an input
    J = torch.cat([part.flatten(1) for part in first(theta, a, b)], 1)
    return (J @ J.T).flatten()


@lru_cache(maxsize=8)
def trained(lab, p, rate):
    n = round(2 * p ** (5 / 3))
    data = sums(p, torch.stack([lab.permutation(f"x{r}", p * p)[:n] for r in range(RUNS)]))
    pairs = torch.arange(p * p, device=lab.device)
    slope = vmap(grad(lambda th, a, b, c: cross_entropy(logits(th, a, b), c)))
    theta = start(lab, p, RUNS)
    few = data.a[:, :48], data.b[:, :48]
    K0 = vmap(kernel)(theta, *few)

    def observe(now):
        everywhere = vmap(logits, (0, None, None))(now.theta, pairs // p, pairs % p)
        seen = classification_scores(everywhere, data)
        moved = (vmap(kernel)(now.theta, *few) - K0).norm(dim=1).double()
        return {
            "train": seen.train_accuracy.double(),
            "test": seen.test_accuracy.double(),
            "moved": moved,
            "relative": moved / K0.norm(dim=1),
        }

    def gradient(theta):
        return slope(theta, data.a, data.b, data.c)

    times = log_times(STEPS, 8)
    return train(gradient_descent(rate), gradient, State(theta), times, observe)


def shared(lab):
    return lab.shared(["transformer", any("confirm" in part for part in lab.path)])


def most(name, lab, event):
    return stats.decide(name, event, lab=replace(lab, trials=RUNS), at_least=0.5)


def cases(lab):
    return [
        dict(p=p) for p in lab.pick(smoke=(11,), standard=(11, 13), paper=(23, 47, 59, 97, 113))
    ]


def at_accuracy(lab, p, rate, error):
    """The run, and when its train accuracy exceeds 1 - error for good."""
    if lab.profile == "smoke":
        raise Skip("trains transformers for tens of seconds; run the quick profile")
    run = trained(shared(lab), p, rate)
    return run, crossing(run.t, 1 - run["train"], error)


def curves(run, when, p):
    for plot, names, log in (
        ("accuracy", ("train", "test"), "x"),
        ("change of the kernel", ("moved", "relative"), "xy"),
    ):
        labels = dict(plot=f"{plot}, p = {p}", xlabel="step", ylabel="median", log=log)
        for name in names:
            y = run[name][1:].median(1).values
            yield series(name, x=run.t[1:], y=y, marks={"fit": when.median()}, **labels)


@check(cases)
def kernel_waits_for_the_fit(lab, p, rate=RATE):
    """|K_fit - K_0| is at most a tenth of |K_end - K_0|."""
    run, fit = at_accuracy(lab, p, rate, 0.1)
    ratio = value_at(run.t, run["moved"], fit) / run["moved"][-1]
    yield row(p=p, fitted=int(fit.isfinite().sum()), fit=fit.median(), ratio=ratio.median())
    yield series("change at the fit / last", x=p, y=ratio.median(), xlabel="p")
    yield from curves(run, fit, p)
    yield most("P(little change up to the fit)", lab, lambda _, n: fit.isfinite() & (ratio <= 0.1))


@check(dict(p=5), dict(p=11))
def kernel_by_autograd(lab, p, output=0):
    """The eNTK, input by input by torch.autograd, and attention by torch's own function."""
    if lab.profile == "smoke":
        raise Skip("belongs to a claim that trains transformers; run the quick profile")
    theta = tuple(x[0].requires_grad_() for x in start(lab, p, 1))
    a, b = lab.integers("a", 0, p, 6), lab.integers("b", 0, p, 6)

    def plain(i, j):
        E, P, Q, K, V, O, A, s, B, l, U = theta
        x = E[torch.stack([i, j, torch.tensor(p, device=i.device)])] + P
        q, k, v = ((x @ M.T).view(3, HEADS, -1).transpose(0, 1) for M in (Q, K, V))
        heads = torch.nn.functional.scaled_dot_product_attention(q[:, 2:], k, v)
        y = x[2] + O @ heads.flatten()
        y = y + B @ torch.relu(A @ y + s) + l
        return U[output] @ y

    slopes = [torch.autograd.grad(plain(i, j), theta) for i, j in zip(a, b, strict=True)]
    J = torch.stack([torch.cat([part.flatten() for part in slope]) for slope in slopes])
    mine = kernel(tuple(x.detach() for x in theta), a, b).view(6, 6)
    gap = ((J @ J.T - mine).norm() / mine.norm()).item()
    yield approx("relative distance of the two kernels", gap).at_most(1e-4)
    yield row(p=p, distance=gap)
    yield series("relative distance of the two kernels", x=p, y=gap, xlabel="p", log="y")


figure_5 = Claim(
    id="mohamadi2024/figure-5",
    title="The transformer's kernel changes after the fit",
    source=FIGURE,
    statement=(
        "in a one-layer transformer the change of the eNTK up to the fit is negligible, and "
        "drastic afterwards"
    ),
    checks=(kernel_waits_for_the_fit, kernel_by_autograd.part("the kernel")),
    controls=(kernel_by_autograd.but(output=1),),
    expect={
        "smoke": Verdict.SKIPPED,
        "quick": Verdict.INCONCLUSIVE,
        "standard": Verdict.INCONCLUSIVE,
    },
    gap=(
        "Not seen at p = 11 with 24 features and 480 steps: a sizeable part of the change lies "
        "before the fit (see the table). The figure's p, widths and number of steps are not "
        "printed; a failure here is no refutation, no positive control is offered, and the verdict "
        "stays open. The curves need the paper's sizes and a GPU."
    ),
)


@check(cases)
def far_at_the_fit(lab, p, rate=RATE, error=0.1):
    """|K_fit - K_0| exceeds |K_0|."""
    run, fit = at_accuracy(lab, p, rate, error)
    relative = value_at(run.t, run["relative"], fit)
    test = value_at(run.t, run["test"], fit)
    yield row(p=p, fit=fit.median(), relative=relative.median(), test=test.median())
    yield series("relative change at the fit", x=p, y=relative.median(), xlabel="p", log="y")
    far = fit.isfinite() & (relative >= 1)
    yield most("P(the kernel has moved by its norm)", lab, lambda _, n: far)


figure_5_relative = Claim(
    id="mohamadi2024/figure-5-relative",
    title="At the fit the transformer's kernel is far from its start",
    source=FIGURE,
    origin="ours",
    statement=(
        r"when the transformer fits its train set, "
        r"$\|\hat\Theta_t - \hat\Theta_0\|_F \ge \|\hat\Theta_0\|_F$"
    ),
    checks=(far_at_the_fit,),
    controls=(far_at_the_fit.but(error=0.85),),
    expect={"smoke": Verdict.SKIPPED},
    uses=("mohamadi2024/figure-5",),
    gap=(
        "So the fit does not happen in a kernel regime at this size; until the train accuracy is "
        "15 per cent the kernel does stay within its norm (the control). One small architecture; "
        "the figure's is not printed."
    ),
)
