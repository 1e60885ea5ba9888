"""Mohamadi et al., Section 4.2: margins, the margin loss (4.3), and the rate of Theorem 4.5.

Cost: exact evaluation of small integer networks on all p^2 inputs; rational arithmetic.
"""

from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.fourier import duplicated, evaluate, printed, sup_norm_cubed, weights
from grokverify.nets import quadratic

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
MARGIN = Source(PAPER, "equation (4.3)", ARXIV)

# q(x, y) = f_y(x) - max over y' != y of f_y'(x); printed: L_gamma = Pr[q > gamma].


def margins(f, p):
    """All p^2 margins of the logits f (p^2, p), rows ordered by (a, b)."""
    a, b = np.divmod(np.arange(p * p), p)
    hit = np.arange(p) == ((a + b) % p)[:, None]
    lowest = f.min() - 1
    return f[hit] - np.where(hit, lowest, f).max(1)


def above(q, gamma):
    return Fraction(int((q > gamma).sum()), q.size)


def not_above(q, gamma):
    return Fraction(int((q <= gamma).sum()), q.size)


def below(q, gamma):
    """A strict inequality: ties are forgiven."""
    return Fraction(int((q < gamma).sum()), q.size)


def networks(lab, p):
    """The Fourier network, the zero network, and random ones with many ties."""
    solved = evaluate(printed(p), p)
    yield "Fourier", (solved.numerators // solved.denominator).reshape(p * p, p)
    a, b = np.divmod(np.arange(p * p), p)
    for h in (0, 1, 2, 5):
        W = lab.integers(f"w{h}", -1, 2, h, 2 * p).cpu().numpy()
        V = lab.integers(f"v{h}", -1, 2, p, h).cpu().numpy()
        yield f"random, width {h}", quadratic(W, V, a, b)


def argmax_error(f, p):
    """The 0-1 error counted from the outputs: right where c = a + b alone is largest."""
    wrong = 0
    for (a, b), logits in zip(np.ndindex(p, p), f, strict=True):
        winners = np.flatnonzero(logits == logits.max())
        wrong += list(winners) != [(a + b) % p]
    return Fraction(wrong, p * p)


def told(lab, p, loss):
    for name, f in networks(lab, p):
        q = margins(f, p)
        yield row(p=p, network=name, error=argmax_error(f, p), L_0=loss(q, 0))
        levels = list(range(-6, 7))
        yield series(
            f"L_gamma, {name}, p={p}", x=levels, y=[loss(q, g) for g in levels], xlabel="gamma"
        )
        yield exact("L_0 less the 0-1 error", loss(q, 0) - argmax_error(f, p)).equals(0)
        steps = [loss(q, g + 1) - loss(q, g) for g in levels]
        yield exact("least step of L_gamma as gamma grows", min(steps)).at_least(0)


def sizes(lab):
    return [{"p": p} for p in lab.pick(smoke=(2, 3, 5), quick=(2, 3, 5, 7, 11))]


@check(sizes)
def as_printed(lab, p, loss=above):
    yield from told(lab, p, loss)


@check(
    lambda lab: [
        {"p": p, "h": h} for p in lab.pick(smoke=(5, 23), quick=(5, 23, 47)) for h in (3, 40)
    ]
)
def float_networks(lab, p, h, loss=above):
    """Gaussian networks on the lab's device: how often argmax is right, and L_0 from q."""
    W, V = lab.normal("W", h, 2 * p), lab.normal("V", p, h)
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    f = quadratic(W, V, a, b)
    error = Fraction(int((f.argmax(1) != (a + b) % p).sum()), p * p)
    q = margins(f.cpu().numpy(), p)
    yield row(p=p, h=h, error=error, L_0=loss(q, 0))
    yield exact("L_0 less the share of wrong argmaxes", loss(q, 0) - error).equals(0)


margin_loss_printed = Claim(
    id="mohamadi2024/margin-loss-printed",
    source=MARGIN,
    title="Pr[q > 0] is the misclassification rate",
    statement=r"With $L_\gamma = \Pr[q > \gamma]$, $L_0$ is the misclassification rate and "
    r"$L_\gamma$ counts more samples as errors as $\gamma$ grows.",
    checks=(as_printed, float_networks),
    controls=(
        as_printed.but(loss=not_above).must_hold(),
        float_networks.but(loss=not_above).must_hold(),
    ),
    severity="S3",
    gap="Severity: slip. In the text we read the inequality is reversed: L_0 is the accuracy.",
    expect=Verdict.REFUTED,
)


@check(sizes)
def turned(lab, p, loss=not_above):
    yield from told(lab, p, loss)


@check(float_networks.domain)
def turned_in_floats(lab, p, h, loss=not_above):
    yield from float_networks.observe(lab, p, h, loss=loss)


margin_loss = Claim(
    id="mohamadi2024/margin-loss",
    source=MARGIN,
    title="Pr[q <= 0] is the misclassification rate",
    statement=r"With $L_\gamma = \Pr[q \le \gamma]$, $L_0$ is the misclassification rate, ties "
    r"counted as errors, and $L_\gamma$ does not decrease with $\gamma$.",
    checks=(turned, turned_in_floats),
    controls=(turned.but(loss=above), turned.but(loss=below), turned_in_floats.but(loss=above)),
    corrects=("mohamadi2024/margin-loss-printed",),
    gap="Small networks with whole weights; for all others it is the definition of q.",
)


# Theorem 4.5 from 4.6: the second term of (4.4), sqrt(p/n) (h^2 / gamma)^(1/3) at r = 1, is eps at
#   n^3 = p^3 (h^2 / gamma)^2 / eps^6.
# Proposition 3.8, scaled to sup-norm 1, has gamma = p floor(h/8p); as floor(x) >= x/2 for x >= 1,
# n^3 is at most p^5 (16 h/p)^2 / eps^6. The network of (F.1), (F.2) itself has 4 times that margin.
def scaled_margin(p, h):
    """Least margin of the Fourier network at width h over its sup-norm cubed, exactly."""
    net = duplicated(printed(p), h)
    values = evaluate(net, p)
    assert values.rational.all()
    f = values.numerators.reshape(p * p, p)
    return Fraction(int(margins(f, p).min()), values.denominator) / sup_norm_cubed(net)


@check(
    lambda lab: [
        {"p": p, "h": h}
        for p in lab.pick(smoke=(2, 3), quick=(2, 3, 5, 7), standard=range(2, 14))
        for h in (8 * p, 16 * p - 1, 16 * p, 40 * p)
    ]
)
def constants(lab, p, h, per_copy=4, power=5):
    gamma = scaled_margin(p, h)
    yield exact("margin over p floor(h/8p)", gamma / (p * (h // (8 * p)))).equals(per_copy)
    samples = p**3 * (h**2 / gamma) ** 2  # n^3 eps^6
    allowed = Fraction(p) ** power * Fraction(4 * h, p) ** 2
    yield exact("n^3 over p^5 (4h/p)^2", samples / allowed).at_most(1)
    yield row(p=p, h=h, normalised_margin=gamma, samples=float(samples) ** (1 / 3))
    yield series(
        "normalised margin, h = 8p" if h == 8 * p else "normalised margin, wider",
        x=p,
        y=gamma,
        printed=p * (h // (8 * p)),
        xlabel="p",
        log="xy",
    )


@check(lambda lab: [{"p": p} for p in lab.pick(smoke=(5, 23), quick=(5, 23, 97))])
def in_floats(lab, p, per_copy=4, power=5):
    """The weights themselves at width 8p, on the lab's device, over their largest modulus."""
    W, V = (lab.real(part) for part in weights(printed(p), p))
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    q = margins(quadratic(W, V, a, b).cpu().numpy(), p).min()
    gamma = float(q) / float(max(W.abs().max(), V.abs().max())) ** 3
    rounding = 16 * 8 * p * torch.finfo(W.dtype).eps
    yield approx("margin over p, less 4", abs(gamma / p - per_copy)).at_most(rounding)
    samples = p**3 * (W.shape[0] ** 2 / gamma) ** 2
    yield approx("n^3 over 256 p^5, less 1", abs(samples / (256 * p**power) - 1)).at_most(rounding)


theorem_4_5 = Claim(
    id="mohamadi2024/theorem-4.5",
    source=Source(PAPER, "Theorem 4.5, equation (4.2)", ARXIV),
    title="p^(5/3) samples are enough, by Theorem 4.6",
    statement=(
        r"Let $8p \le h = O(p)$. Networks of normalised margin $\frac{\gamma}{r^3} = \Omega(p)$ on "
        r"all inputs exist, $4p \lfloor \frac{h}{8p} \rfloor$ by Fourier, and for an interpolating "
        r"one (4.4) reads $L_0 \le \tilde{O}(\sqrt{p^{5/3} / n})$."
    ),
    hypotheses=("the sentence on delta and h is read as: h is between 8p and a multiple of p",),
    assumes=("Theorem 4.6",),
    checks=(constants, in_floats),
    controls=(
        constants.but(per_copy=5),
        constants.but(per_copy=Fraction(39, 10)),
        constants.but(power=4),
        in_floats.but(per_copy=4.001),
        in_floats.but(power=5.001),
    ),
    uses=("mohamadi2024/noise-of-a-network", "mohamadi2024/fourier-interpolation"),
    gap="The step from Theorem 4.6, not the theorem itself. Whether training reaches such a margin "
    "is not asked.",
)
