"""Mohamadi et al., Lemmas G.12 and G.13: second-layer noise on top of first-layer noise.

Cost: a handful of enclosures a case, and a few thousand draws of a small network.
"""

import math
from fractions import Fraction

import sympy as sp

from grokverify import Claim, Source, Verdict, check, exact, row, series, stats
from grokverify.enclosure import measured

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"

# V~_i = sigma n_i and Q~_i = sqrt2 sigma z_i, so that Lemma G.12 bounds 2 sigma^3 sum n_i z_i^2 and
# Lemma G.13 sum V~_i (Q_i + Q~_i)^2, |Q_i| <= 2r. Given all z_i^2 <= m, which fails with
# probability at most h erfc(sqrt(m/2)), each is normal with a standard deviation of at most
#   2 sigma^3 m sqrt(h)   and   sigma (2r + sqrt(2m) sigma)^2 sqrt(h).
# So P(|.| > t) <= h erfc(sqrt(m/2)) + erfc(t / (sqrt2 sd)) for every m; below m = 2 Lambda / k with
# Lambda = log(2(h+1)/delta).
WIDTHS = (1, 8, 100, 10**4, 10**8)
DELTAS = ("1/2", "1/20", "1/1000000")


def cases(lab):
    return [
        dict(h=h, delta=d)
        for h in lab.pick(smoke=WIDTHS[::2], quick=WIDTHS)
        for d in lab.pick(smoke=DELTAS[1:], quick=DELTAS)
    ]


def failure(h, m, t, deviation):
    """The bound on P(|.| > t) above."""
    return h * sp.erfc(sp.sqrt(m / 2)) + sp.erfc(t / (sp.sqrt(2) * deviation))


def big(h, delta):
    return sp.log(2 * (h + 1) / sp.Rational(delta))


# --- Lemma G.12 -----------------------------------------------------------------------------------


def printed_g12(h, Lambda):
    return (2 + 8 * sp.sqrt(2) * Lambda) * sp.sqrt(h * Lambda)


def ours_g12(h, Lambda):
    return 4 * sp.sqrt(2 * h) * Lambda ** sp.Rational(3, 2)


def third_of_printed(h, Lambda):
    return printed_g12(h, Lambda) / 3


@check(cases)
def noise_alone(lab, h, delta, bound=printed_g12):
    Lambda = big(h, delta)
    told = failure(h, 2 * Lambda, bound(h, Lambda), 4 * sp.sqrt(h) * Lambda)
    ratio = measured("bound on P over delta", told / sp.Rational(delta))
    yield row(h=h, delta=delta, bound_on_P_over_delta=ratio.hi)
    if delta == "1/20":
        yield series(
            "bound on P over delta, G.12",
            x=h,
            y=ratio.hi,
            printed=1,
            xlabel="h",
            log="x",
            beside="allowed",
        )
    yield ratio.at_most(1)


@check(lambda lab: [dict(h=h) for h in lab.pick(smoke=(1, 20), quick=(1, 5, 20, 200))])
def alone_drawn(lab, h, bound=printed_g12, delta=0.05):
    """sigma = 1: both layers of noise at one input."""
    limit = float(bound(h, big(h, Fraction(delta))))

    def beyond(lab, trials):
        V, W = lab.normal("V", trials, h), lab.normal("W", trials, h, 2)
        return ((V * W.sum(2) ** 2).sum(1)).abs() > limit

    yield stats.decide("P(beyond the bound)", beyond, lab=lab, at_most=delta)


def fortieth_of_printed(h, Lambda):
    return printed_g12(h, Lambda) / 40


lemma_g_12 = Claim(
    id="mohamadi2024/noise-times-noise",
    source=Source(PAPER, "Lemma G.12", ARXIV),
    title="Noise of the second layer on noise of the first",
    statement=r"With probability at least $1 - \delta$: $|\Lambda_\sigma(0)^\top "
    r"(\Lambda_\sigma(0) (e_a, e_b))^{\odot 2}| \le "
    r"(2 + 8 \sqrt 2 \log\frac{2(h+1)}{\delta}) \sigma^3 \sqrt{h \log\frac{2(h+1)}{\delta}}$.",
    checks=(noise_alone, alone_drawn),
    controls=(noise_alone.but(bound=third_of_printed), alone_drawn.but(bound=fortieth_of_printed)),
    corrects=("mohamadi2024/pulling-the-maximum-printed",),
    gap="Enclosed for many h and delta; h >= e delta is no condition. Conditioning on the first "
    "layer replaces the step that fails.",
)


@check(cases)
def half_of_it(lab, h, delta, bound=ours_g12):
    yield from noise_alone.observe(lab, h, delta, bound=bound)


def half_of_ours(h, Lambda):
    return ours_g12(h, Lambda) / 2


sharper_g_12 = Claim(
    id="mohamadi2024/noise-times-noise-sharper",
    source=Source(PAPER, "beside Lemma G.12", ARXIV),
    title="Half of the bound of Lemma G.12 is enough",
    statement=r"Lemma G.12 holds with $4 \sqrt 2\, \sigma^3 \sqrt h\, (\log\frac{2(h+1)}{\delta})^"
    r"{3/2}$, less than half of the printed bound.",
    checks=(half_of_it,),
    controls=(half_of_it.but(bound=half_of_ours),),
    origin="ours",
    sharpens=("mohamadi2024/noise-times-noise",),
    gap="Enclosed for many h and delta. Draws stay far below even this.",
)


# The printed step: given Q~_i <= M for all i, |sum V~_i Q~_i| <= M |sum V~_i|.
@check(lambda lab: [dict(h=h) for h in lab.pick(smoke=(2, 5), quick=(2, 3, 5, 40))])
def pulled_out(lab, h, modulus_inside=False):
    V = [1, -1, *lab.integers("V", -9, 10, h - 2).tolist()]
    Q = [1, 0, *lab.integers("Q", 0, 10, h - 2).tolist()]
    total = abs(sum(v * q for v, q in zip(V, Q, strict=True)))
    pulled = max(Q) * (sum(map(abs, V)) if modulus_inside else abs(sum(V)))
    yield row(h=h, left=total, right=pulled)
    yield series(
        "|sum V Q| beside what it is said to be below", x=h, y=total, printed=pulled, xlabel="h"
    )
    yield exact("|sum V Q| less the largest Q times the rest", total - pulled).at_most(0)


@check(lambda lab: [dict(h=h) for h in lab.pick(smoke=(2,), quick=(2, 10, 100))])
def pulled_out_drawn(lab, h, modulus_inside=False):
    """How often the step fails for the noise of the lemma: it should never."""

    def violated(lab, trials):
        V, W = lab.normal("V", trials, h), lab.normal("W", trials, h, 2)
        Q = W.sum(2) ** 2
        rest = V.abs().sum(1) if modulus_inside else V.sum(1).abs()
        return (V * Q).sum(1).abs() > Q.max(1).values * rest

    yield stats.decide("P(the step fails)", violated, lab=lab, at_most=0.05)


pulling_printed = Claim(
    id="mohamadi2024/pulling-the-maximum-printed",
    source=Source(PAPER, "proof of Lemma G.12, equation (G.12), second line", ARXIV),
    title="The largest coordinate is pulled out of a signed sum",
    statement=r"$|\sum_i \tilde V_i \tilde Q_i| \le \max_i \tilde Q_i \, |\sum_i \tilde V_i|$ for "
    r"$\tilde Q_i \ge 0$.",
    checks=(pulled_out, pulled_out_drawn),
    controls=(
        pulled_out.but(modulus_inside=True).must_hold(),
        pulled_out_drawn.but(modulus_inside=True).must_hold(),
    ),
    severity="S2",
    gap="Severity: step of a proof. V~ = (1, -1) and Q~ = (1, 0) is the smallest counterexample; "
    "moduli inside the sum would cost a factor sqrt(h). The bound of the lemma is true.",
    expect=Verdict.REFUTED,
)


# --- Lemma G.13 -----------------------------------------------------------------------------------


def printed_g13(h, Lambda, sigma, C=32):
    return C * sp.sqrt(h) * Lambda ** sp.Rational(3, 2) * sp.Max(sigma**3, sigma**2, sigma)


@check(
    lambda lab: [
        dict(sigma=s, **case)
        for case in cases(lab)
        for s in lab.pick(smoke=("1/100", "1", "100"), quick=("1/100", "1/2", "1", "2", "100"))
    ]
)
def noise_on_weights(lab, sigma, h, delta, C=32, power=1):
    """r = 1; the max of the lemma without the second sigma, which r = 1 cannot see."""
    s, Lambda = sp.Rational(sigma) ** power, big(h, delta)
    m = 2 * Lambda
    deviation = s * (2 + sp.sqrt(2 * m) * s) ** 2 * sp.sqrt(h)
    told = failure(h, m, printed_g13(h, Lambda, sp.Rational(sigma), C), deviation)
    ratio = measured("bound on P over delta", told / sp.Rational(delta))
    yield row(sigma=sigma, h=h, delta=delta, bound_on_P_over_delta=ratio.hi)
    if delta == "1/20" and h == 100:
        yield series(
            "bound on P over delta, G.13",
            x=float(Fraction(sigma)),
            y=ratio.hi,
            printed=1,
            xlabel="sigma / r",
            log="x",
            beside="allowed",
        )
    yield ratio.at_most(1)


@check(
    lambda lab: [
        dict(sigma=s, r=r)
        for s in (0.1, 1.0)
        for r in lab.pick(smoke=(0.5,), quick=(0.1, 0.5, 3.0))
    ]
)
def weights_drawn(lab, sigma, r, C=32, h=20, delta=0.05):
    """W = r: noise on both layers at one input, V = 0."""
    Lambda = math.log(2 * (h + 1) / delta)
    largest = max(sigma**3, r * sigma**2, r**2 * sigma)
    bound = C * math.sqrt(h) * Lambda**1.5 * largest

    def beyond(lab, trials):
        V, W = lab.normal("V", trials, h), lab.normal("W", trials, h, 2)
        return (sigma * V * (2 * r + sigma * W.sum(2)) ** 2).sum(1).abs() > bound

    yield stats.decide("P(beyond the bound)", beyond, lab=lab, at_most=delta)


lemma_g_13 = Claim(
    id="mohamadi2024/second-layer-noise-on-noisy-first",
    source=Source(PAPER, "Lemma G.13, equations (G.16), (G.17)", ARXIV),
    title="Noise of the second layer on a noisy first layer",
    statement=r"With probability at least $1 - \delta$: $|\Lambda_\sigma(0)^\top "
    r"(\Lambda_\sigma(W) (e_a, e_b))^{\odot 2}| \le 32 \sqrt h\, (\log\frac{2(h+1)}{\delta})^{3/2} "
    r"\max(\sigma^3, r \sigma^2, r^2 \sigma)$ for $\lVert W \rVert_\infty \le r$.",
    hypotheses=(
        "W is h x 2p",
        "delta_4 in the statement is delta; a lone sigma in its max is void",
    ),
    checks=(noise_on_weights, weights_drawn),
    controls=(
        noise_on_weights.but(C=8),
        noise_on_weights.but(power=2),
        weights_drawn.but(C=Fraction(1, 8)),
    ),
    uses=("mohamadi2024/noise-times-noise",),
    gap="Enclosed for many h, delta and sigma / r, without the three events of the printed proof "
    "and for every width. The statement forgets its probability.",
)
