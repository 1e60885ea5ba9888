"""Mohamadi et al., Theorem 4.6: what its proof feeds into the PAC-Bayes bound of Lemma G.9.

Cost: enclosures of a few tails a case, whole networks of a few hundred weights, and a few thousand
draws of noise on them.
"""

from fractions import Fraction

import numpy as np
import sympy as sp
import torch
from scipy.optimize import minimize_scalar

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series, stats
from grokverify.enclosure import measured
from grokverify.fourier import printed, weights
from grokverify.groups import differing
from grokverify.nets import quadratic
from grokverify.symbolic import gaussian_mean, residue

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
PROOF = Source(PAPER, "proof of Theorem 4.6, first paragraph", ARXIV)


# --- a network of zero row sums with the same outputs ---------------------------------------------


def twice(W, V):
    """As printed: [W'; W'], [V', -V']."""
    return np.concatenate([W, W]), np.concatenate([V, -V], axis=1)


def idle_half(W, V):
    """[W'; 0], [V', -V']: the second half sees nothing."""
    return np.concatenate([W, 0 * W]), np.concatenate([V, -V], axis=1)


def no_minus(W, V):
    return np.concatenate([W, 0 * W]), np.concatenate([V, V], axis=1)


@check(lambda lab: [dict(p=p, h=h) for p, h in lab.pick(smoke=((2, 1), (3, 2)), quick=((2, 1),
                    (3, 2), (5, 8), (11, 3)))])  # fmt: skip
def outputs_kept(lab, p, h, widen=twice):
    W = lab.integers("W", -5, 6, h, 2 * p).cpu().numpy()
    V = lab.integers("V", 1, 6, p, h).cpu().numpy()
    W[0, 0], W[0, p] = 1, 1  # some output is not 0
    a, b = np.divmod(np.arange(p * p), p)
    wide = widen(W, V)
    before, after = quadratic(W, V, a, b), quadratic(*wide, a, b)
    yield row(p=p, h=h, largest_before=int(abs(before).max()), after=int(abs(after).max()))
    yield series("largest output after, beside before", x=p, y=int(abs(after).max()),
                 printed=int(abs(before).max()), xlabel="p", beside="before")  # fmt: skip
    yield exact("outputs that differ", differing((before,), (after,))).equals(0)
    yield exact("largest row sum of V", int(abs(wide[1].sum(1)).max())).equals(0)
    grown = max(int(abs(x).max()) for x in wide) - max(int(abs(x).max()) for x in (W, V))
    yield exact("growth of the sup-norm", grown).at_most(0)


@check({"p": 5}, {"p": 23})
def fourier_kept(lab, p, widen=twice):
    """The Fourier network in floats: its outputs are 4p and 0."""
    wide = widen(*weights(printed(p), p))
    a, b = np.divmod(np.arange(p * p), p)
    f = quadratic(*wide, a, b)
    gap = float(abs(f - quadratic(*weights(printed(p), p), a, b)).max())
    yield approx("largest deviation over p", gap / p).at_most(1e-9)


duplicated_printed = Claim(
    id="mohamadi2024/duplicated-network-printed",
    source=PROOF,
    title="The duplicated network has the outputs of the original",
    statement=r"$W = [W'; W']$ and $V = [V', -V']$ give the outputs of $(W', V')$, with zero row "
    r"sums of $V$.",
    checks=(outputs_kept, fourier_kept),
    controls=(
        outputs_kept.but(widen=idle_half).must_hold(),
        fourier_kept.but(widen=idle_half).must_hold(),
    ),
    severity="S2",
    gap="Severity: step of a proof, in the text we read. Its outputs are 0 throughout; [W'; 0] in "
    "place of [W'; W'] mends it, and nothing else changes.",
    expect=Verdict.REFUTED,
)


@check(outputs_kept.domain)
def kept(lab, p, h, widen=idle_half):
    yield from outputs_kept.observe(lab, p, h, widen=widen)


@check(*fourier_kept.domain)
def kept_in_floats(lab, p, widen=idle_half):
    yield from fourier_kept.observe(lab, p, widen=widen)


def larger_minus(W, V):
    return np.concatenate([W, 0 * W]), np.concatenate([V, -2 * V], axis=1)


padded = Claim(
    id="mohamadi2024/padded-network",
    source=PROOF,
    title="A network of zero row sums with the same outputs",
    statement=r"$W = [W'; 0]$ and $V = [V', -V']$ give the outputs of $(W', V')$, with zero row "
    r"sums of $V$ and the same sup-norm.",
    checks=(kept, kept_in_floats),
    controls=(
        kept.but(widen=twice),
        kept.but(widen=no_minus),
        kept.but(widen=larger_minus),
        kept_in_floats.but(widen=twice),
    ),
    corrects=("mohamadi2024/duplicated-network-printed",),
    gap="Small networks; in general the idle half adds 0.",
)


# --- the perturbation condition of Lemma G.9 ------------------------------------------------------
# r = 1. (G.7) takes sigma with 64 sqrt(2h) Lambda^(3/2) max(sigma, sigma^3) = gamma / 4, where
# Lambda = log(2(h+1)/delta_1) and delta_1 = 1/(2p) since (G.5) is for one input. Lemma G.9 asks for
# all p^2 inputs and p logits: P(some change >= gamma/4) <= 1/2. Half of gamma/4 each goes to the
# terms of Lemmas G.11 and G.13, with the bounds from which those are claimed.


@check()
def expansion(lab, cross=2):
    """(G.3) and (G.13), one neuron at a time: what the noise v on V and q on Q adds to V Q^2."""
    V, Q, v, q = sp.symbols("V Q v q")
    parts = V * (q**2 + cross * Q * q) + v * (Q**2 + q**2 + cross * Q * q)
    moved = (V + v) * (Q + q) ** 2 - V * Q**2
    yield residue("surviving terms", sp.expand(moved - parts)).equals(0)


H = sp.Symbol("h")  # kept as a symbol: sympy would multiply powers of h digits out


def chernoff(h, s, t):
    """2 exp(-(l t - h [-log(1-c^2)/4 + 16 s^2 l^2/(1-c^2)])), c = 4 s^2 l, at a good l."""

    width, reach = float(h), float(t.subs(H, h))

    def loss(c):
        inner = -np.log1p(-c * c) / 4 + c * c / (1 - c * c) / float(s) ** 2
        return width * inner - c / (4 * float(s) ** 2) * reach

    found = minimize_scalar(loss, bounds=(1e-9, 1 - 1e-9), method="bounded").x
    c = sp.Rational(Fraction(float(found)))
    inner = -sp.log(1 - c**2) / 4 + c**2 / (1 - c**2) / s**2
    return 2 * sp.exp(H * inner - c / (4 * s**2) * t)


def union(s, t, m):
    """h erfc(sqrt(m/2)) + erfc(t / (sqrt2 sd)), sd = s (2 + sqrt(2m) s)^2 sqrt(h)."""
    deviation = s * (2 + sp.sqrt(2 * m) * s) ** 2 * sp.sqrt(H)
    return H * sp.erfc(sp.sqrt(m / 2)) + sp.erfc(t / (sp.sqrt(2) * deviation))


@check(
    lambda lab: [
        dict(p=p, width=w, sigma=s)
        for p in lab.pick(smoke=(2, 10**9), quick=(2, 5, 97, 10**9))
        for w in (1, 8 * p)
        for s in lab.pick(smoke=("1/100", "1"), quick=("1/100", "1/2", "1", "3", "100"))
    ]
)
def condition(lab, p, width, sigma, C=64, classes=None):
    h, s = 2 * width, sp.Rational(sigma)
    Lambda = sp.log(4 * (p if classes is None else classes) * (H + 1))
    t = C * sp.sqrt(2 * H) * Lambda ** sp.Rational(3, 2) * sp.Max(s, s**3) / 2
    P = p**3 * (chernoff(h, s, t) + union(s, t, 2 * sp.log(8 * p**3 * (H + 1))))
    told = measured("P(some output moves by gamma/4), at most", P, {H: h})
    yield row(p=p, width=width, sigma=sigma, P_at_most=told.hi)
    if width > 1 and sigma == "1":
        yield series("P(some output moves by gamma/4), at most", x=p, y=told.hi, printed=0.5,
                     xlabel="p", log="xy", beside="allowed")  # fmt: skip
    yield told.at_most(Fraction(1, 2))


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(3,), quick=(3, 5))])
def drawn(lab, p, louder=1):
    """The padded Fourier network with sup-norm 1, gamma = 4p, under the noise of (G.7)."""
    W, V = (lab.real(x) for x in idle_half(*weights(printed(p), p)))
    h, gamma = W.shape[0], 4 * p
    Lambda = np.log(4 * p * (h + 1))
    ratio = gamma / (256 * np.sqrt(2 * h) * Lambda**1.5)
    sigma = louder * (ratio ** (1 / 3) if ratio > 1 else ratio)
    a, b = torch.cartesian_prod(*[torch.arange(p, device=W.device)] * 2).T
    f = quadratic(W, V, a, b)

    def moved(lab, trials):
        noise = sigma * lab.normal("W", trials, h, 2 * p)
        z = W[:, a] + W[:, p + b] + noise[:, :, a] + noise[:, :, p + b]
        g = (V + sigma * lab.normal("V", trials, p, h)) @ z**2
        return (g.transpose(1, 2) - f).abs().amax((1, 2)) >= gamma / 4

    yield stats.decide("P(some output moves by gamma/4)", moved, lab=lab, at_most=0.5)


# --- the value of the bound -----------------------------------------------------------------------


@check()
def divergence(lab, share=Fraction(1, 2)):
    """KL(N(t, s^2) || N(0, s^2)) = E [x^2 - (x - t)^2] / (2 s^2) at x = t + u: an equality."""
    t, s, u = sp.symbols("t s u")
    mean = gaussian_mean(((t + u) ** 2 - u**2) / (2 * s**2), [u], s**2)
    yield residue("KL less t^2 / (2 s^2)", mean - sp.Rational(share) * t**2 / s**2).equals(0)


@check(
    lambda lab: [
        dict(p=p, h=h, gamma=g)
        for p, h in lab.pick(smoke=((5, 80),), quick=((5, 80), (97, 1552), (10**6, 16 * 10**6)))
        for g in (10**6, 10**9, 10**14)
    ]
)
def value(lab, p, h, gamma, power=Fraction(2, 3), factor=153):
    """3 h p / sigma^2 by (G.7), case (*), against p (h^2 / gamma)^(2/3) log: (G.10)'s constant.

    |theta|^2 <= 3 h p, so that the KL divergence is at most half of that.
    """
    Lambda = sp.log(4 * p * (h + 1))
    sigma = (gamma / (256 * sp.sqrt(2 * h) * Lambda ** sp.Rational(3, 2))) ** sp.Rational(1, 3)
    order = p * (sp.Rational(h) ** 2 / gamma) ** sp.Rational(power) * Lambda
    ratio = 3 * h * p / sigma**2 / order
    told = measured("3 h p / sigma^2 over p (h^2/gamma)^(2/3) log", ratio)
    yield row(p=p, h=h, gamma=gamma, constant=told.hi)
    yield told.at_most(factor)
    yield measured("the same, from below", ratio).at_least(factor - 1)


theorem_4_6 = Claim(
    id="mohamadi2024/noise-of-a-network",
    source=Source(PAPER, "Theorem 4.6, equations (4.4), (G.3)-(G.10)", ARXIV),
    title="The margin bound, from Lemma G.9",
    statement=(
        r"With $h = 2h'$, $\Lambda = \log 4p(h+1)$ and the $\sigma$ of (G.7), noise of variance "
        r"$\sigma^2$ on the padded network moves some output at some input by $\frac{\gamma}{4}$ "
        r"with probability at most $\frac{1}{2}$; and $\frac{1}{n} KL \le \frac{153}{2} "
        r"\frac{p}{n} (\frac{h^2}{\gamma / r^3})^{2/3} \Lambda$ if $\sigma \ge r$. So Lemma G.9 "
        r"gives (4.4)."
    ),
    hypotheses=("gamma / r^3 of order sqrt(h) up to logarithms, such that sigma >= r",),
    assumes=("Lemma G.9 (Neyshabur et al. 2018, Lemma 1)",),
    checks=(
        expansion.part("the condition of Lemma G.9"),
        condition.part("the condition of Lemma G.9"),
        drawn.part("the condition of Lemma G.9"),
        divergence.part("the KL divergence"),
        value.part("the bound"),
    ),
    controls=(
        expansion.but(cross=1),
        condition.but(classes=1),
        condition.but(C=8),
        drawn.but(louder=500),
        divergence.but(share=Fraction(1, 3)),
        value.but(power=Fraction(1, 2)),
        value.but(factor=152),
    ),
    uses=(
        "mohamadi2024/padded-network",
        "mohamadi2024/first-layer-noise",
        "mohamadi2024/second-layer-noise-on-noisy-first",
    ),
    gap="The printed proof takes the union over logits only, and (G.4) adds two events of "
    "probability delta_1 each and calls it delta_1; the constants of (G.7) have room for "
    "all inputs, and for every width: h' > 4 log(2/delta) is not needed. They have room for more: "
    "of the drawn networks half move by gamma/4 at about 375 times the noise, hence a control that "
    "far. Enclosed at some sizes.",
)
