"""Mohamadi et al., Theorem 3.6: n of order p^2 log^3 n is enough, and from which p that says much.

Cost: rational arithmetic, and a few enclosures of logarithms.
"""

from fractions import Fraction

import sympy as sp

from grokverify import Claim, Source, check, exact, row, series
from grokverify.enclosure import measured
from grokverify.fourier import amplified, duplicated, printed, sup_norm_cubed
from grokverify.symbolic import residue
from grokverify.worked import given

PAPER, ARXIV = "Mohamadi et al., Why Do You Grok?", "2407.12332"
THEOREM = Source(PAPER, "Theorem 3.6", ARXIV)

# Proposition 3.8: some theta of zero population loss, which interpolates every training set, has
# |theta|_inf^3 = g / floor(h/8p), g = 1 as printed and 1/4 for the mended weights. Hence a theta*
# within a factor c of the least sup-norm has R^3 <= c^3 g / floor(h/8p), so that with h >= 8p
#   R^6 h^2 <= 256 c^6 g^2 p^2   and   4 h R^3 <= 64 c^3 g p,
# and the bound of Proposition 3.7 (mended) over p, with C = 1, is at most
#   (p^2 / n) [256 c^6 g^2 log^3 n + (1 + 64 c^3 g)^2 (1/p) log(1/delta)].


def two_terms(p, h, c, g):
    """Coefficients of log^3 n and log(1/delta) in n / p times the bound of Proposition 3.7."""
    c, p, h, copies = given(Fraction(c)), given(p), given(h), h // (8 * p)
    cube = c**3 * g / copies  # R^3
    return cube**2 * h**2, (p + 4 * h * cube) ** 2 / p


def widths(lab):
    sizes = lab.pick(smoke=(2, 5, 97), quick=(2, 3, 5, 11, 97, 997, 10**6))
    return [
        dict(p=p, h=h)
        for p in sizes
        for h in (8 * p, 8 * p + 1, 16 * p - 1, 16 * p, 24 * p - 1, 800 * p + 3)
    ]


@check(widths)
def terms(lab, p, h, g=Fraction(1), first=256, second=64, power=2):
    for c in (1, 2, Fraction(7, 3)):
        log_n, log_delta = two_terms(p, h, c, g)
        c = given(Fraction(c))
        yield exact("R^6 h^2 / p^2 over c^6", log_n / p**power / c**6).at_most(first)
        spare = (1 + second * c**3) ** 2 * p - log_delta
        yield exact("(1 + 64 c^3)^2 p less the coefficient of log(1/delta)", spare).at_least(0)
    yield row(p=p, h=h, log3_n=log_n, log_delta=log_delta)
    if h == 16 * p - 1:
        yield series("R^6 h^2 / p^2 at h = 16p - 1, c = 1", x=p, printed=256, xlabel="p",
                     y=two_terms(p, h, 1, g)[0] / p**2, log="x")  # fmt: skip


@check(
    lambda lab: [
        dict(p=p, h=h)
        for p in lab.pick(smoke=(2, 5), quick=(2, 3, 5, 11))
        for h in (8 * p, 16 * p - 1, 80 * p)
    ]
)
def as_built(lab, p, h, build=duplicated, first=256):
    """R^3 read off the Fourier network that is built at width h, not from its formula."""
    cube = sup_norm_cubed(build(printed(p), h))
    yield exact("R^6 h^2 / p^2 as built", cube**2 * h**2 / p**2).at_most(first)
    mended = sup_norm_cubed(build(amplified(printed(p), Fraction(1, 4)), h))
    yield exact("the same of the mended weights", mended**2 * h**2 / p**2).at_most(first // 16)


def undiminished(net, h):
    """Copies that are not made weaker."""
    return amplified(duplicated(net, h), Fraction(h // len(net)))


theorem_3_6 = Claim(
    id="mohamadi2024/theorem-3.6",
    source=THEOREM,
    title="Interpolators of nearly least sup-norm generalise from p^2 log^3 n samples",
    statement=(
        r"Let $h \ge 8p$. With probability at least $1 - \delta$ every $\theta^*$ of zero training "
        r"loss whose sup-norm is within a factor $c$ of the least has $\mathcal{L}(\theta^*) \le C "
        r"\frac{p^2}{n} (\log^3 n + \frac{1}{p} \log\frac{1}{\delta}) \cdot p$, where $C$ depends "
        r"on $c$ only."
    ),
    assumes=("Theorem E.6 (Srebro, Sridharan and Tewari 2010, Theorem 1)",),
    checks=(terms.part("the step from 3.7 and 3.8"), as_built.part("the sup-norm")),
    controls=(
        terms.but(first=255),
        terms.but(second=63),
        terms.but(power=1),
        as_built.but(build=undiminished),
    ),
    uses=("mohamadi2024/proposition-3.7", "mohamadi2024/proposition-3.8"),
    gap="The step from Propositions 3.7 (mended) and 3.8, not Theorem E.6. Section 3 speaks of "
    "width above 4p at first, the theorem of 8p.",
)


# Theorem E.6 at zero training loss: L <= K (2 log^3 n R_n^2 + ...). With n = p^3 samples, as many
# as there are inputs, and R_n = A h R^3 sqrt(p/n), h R^3 = 8 p g:
#   L / p >= K 2 log^3(p^3) A^2 (8 g)^2 / p   is the least that the bound can be.
# log^3(p) / p rises up to p = e^3 and falls beyond: it is below the null loss only far out.
PRINTED, OURS = (324, 1), (Fraction(741, 100), Fraction(1, 4))


def relative_bound(p, A, g):
    """The first term of the bound over the null loss, K = 1 and n = p^3."""
    A, g = sp.Rational(A), sp.Rational(g)
    return 2 * sp.log(p**3) ** 3 * A**2 * 64 * g**2 / p


# Constants A, g -> the last p at which that is at least 1.
LAST = {"printed": (PRINTED, 9_701_060_296_828), "ours": (OURS, 69_890_749)}


@check(lambda lab: [dict(constants=c) for c in LAST])
def says_nothing_up_to(lab, constants, later=0, K=1):
    (A, g), last = LAST[constants]
    p = sp.Symbol("p")
    told = relative_bound(p, A, g) * K
    points = [2 * 10**k for k in range(30)]
    yield row(constants=constants, K=K, says_nothing_up_to=last)
    yield series(f"bound over the null loss at n = p^3, {constants} constants", x=points, log="xy",
                 y=[measured("b", told, {p: q}).hi for q in points], xlabel="p",
                 printed=[1] * len(points), beside="null loss")  # fmt: skip
    for q in (2, 20, last + later):
        yield measured("bound over the null loss", told, {p: q}).at_least(1)


@check()
def shape(lab, peak=3):
    """The sign of the slope of log^3(p) / p is that of 3 - log p."""
    p, t = sp.symbols("p t", positive=True)
    slope = sp.diff(sp.log(p) ** 3 / p, p).subs(sp.log(p), t) * p**2 / t**2
    yield residue("slope over log^2(p) / p^2, less 3 - log p", slope - (peak - t)).equals(0)


rich_threshold = Claim(
    id="mohamadi2024/theorem-3.6-threshold",
    source=Source(PAPER, "beside Theorem 3.6", ARXIV),
    title="From which p the bound of Theorem 3.6 is below the null loss",
    statement=(
        r"Even with $K = 1$ in Theorem E.6, $h = 8p$ and $n = p^3$ samples, as many as there are "
        r"inputs, the bound on $\mathcal{L}(\theta^*)$ that Lemma E.5 and Proposition 3.8 give is "
        r"above the null loss $p$ for every $p$ up to $9.7 \cdot 10^{12}$; with 7.41 for 324 and "
        r"the mended weights, for every $p$ up to $6.9 \cdot 10^7$."
    ),
    checks=(says_nothing_up_to, shape.part("between the ends")),
    controls=(
        says_nothing_up_to.but(later=1),
        says_nothing_up_to.but(K=Fraction(99, 100)),
        shape.but(peak=2),
    ),
    origin="ours",
    sharpens=("mohamadi2024/theorem-3.6",),
    uses=("mohamadi2024/neuron-class-constant",),
    gap="It concerns this proof, not the networks: bounds of another kind may say more.",
)
