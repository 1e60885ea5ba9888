"""Kumar et al., Appendix 11.2: the kernel alignment at any weights, equations (19) and (20).

In every dimension by Wick's theorem over x and x', and for the tangent kernel of random networks
under an exact integration rule. Cost: 3^D nodes, D <= 4.
"""

from fractions import Fraction

import sympy as sp
import torch
from hypothesis import strategies as st

from grokverify import Claim, Comparison, Source, Verdict, approx, check, exact, series
from grokverify.forms import form, form_mean, trace
from grokverify.kernels import tangent_gram
from grokverify.quadrature import gauss_hermite
from grokverify.symbolic import residue
from grokverify.worked import given

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")
QUARTER = sp.Rational(1, 4)

# (18)  K(x, z) = x.z + eps (x.z) wbar.(x + z) + eps^2 (x.z) x'Mz    in units of alpha^2/N
# (19)  alignment = <y K y> / (sqrt(<K^2>) <y^2>),  y = (b.x)^2 / 2,  x, z ~ N(0, I/D)
# (20), as printed:
#   <y K y> = eps^2/D^2 [|b|^2 <(b.x)^2 x'Mx> + 2 <b'Mx (b.x)^3>]
#           = eps^2/D^4 [|b|^4 tr M + 8 b'Mb |b|^2].
# The two lines agree with each other, but both lack the 1/4 of the two factors 1/2 in y.


def K(eps=EPS):
    xz, wxz = form("x", "z"), form("wbar", "x") + form("wbar", "z")
    return xz + eps * xz * wxz + eps**2 * xz * form("x", "M", "z")


def mean(expr, *vectors):
    for vector in vectors:
        expr = form_mean(sp.expand(expr), vector, variance=1 / D, dimension=D)
    return expr


def printed_middle(b2, first, second):
    return EPS**2 / D**2 * (b2 * first + 2 * second)


def printed(D, eps, b2, trM, bMb):
    return eps**2 / D**4 * (b2**2 * trM + 8 * bMb * b2)


def quarter(D, eps, b2, trM, bMb):
    return printed(D, eps, b2, trM, bMb) / 4


def quarter_off(D, eps, b2, trM, bMb):
    return eps**2 / D**4 * (b2**2 * trM + 9 * bMb * b2) / 4


def eps_once(D, eps, b2, trM, bMb):
    return printed(D, eps, b2, trM, bMb) / 4 / eps


WORDS = form("b", "b"), trace("M"), form("b", "M", "b")


def by_forms(value, share):
    """Both lines, for symbolic D, M and wbar: the terms in wbar vanish by parity."""
    whole = mean(K() * form("b", "x") ** 2 * form("b", "z") ** 2 / 4, "x", "z")
    first = mean(form("b", "x") ** 2 * form("x", "M", "x"), "x")
    second = mean(form("b", "M", "x") * form("b", "x") ** 3, "x")
    middle = share * printed_middle(form("b", "b"), first, second)
    yield residue("terms left of the first line", whole - middle).equals(0)
    yield residue("terms left of the second line", whole - value(D, EPS, *WORDS)).equals(0)


def network_at_nodes(lab, D, N, eps):
    """Kernel of a random network (in units of alpha^2/N), at the nodes of an exact rule."""
    W = lab.normal("w", N, D)
    x, mass = gauss_hermite(W, D, variance=1 / D)

    def outputs(at):
        h = x @ at["W"].mT
        return (h + eps / 2 * h**2).mean(-1)

    return W.mT @ W / N, W.mean(0), x, mass, tangent_gram(outputs, {"W": W}) * N


def on_networks(lab, D, N, eps, value):
    M, _, x, mass, gram = network_at_nodes(lab, D, N, eps)
    b = lab.normal("b", D)
    y = (x @ b) ** 2 / 2
    seen = float((mass * y) @ gram @ (mass * y))
    told = float(value(D, eps, b @ b, M.trace(), b @ M @ b))
    size = float((mass * y) @ gram.abs() @ (mass * y))
    yield series(
        "<y K y>, measured over printed",
        x=eps,
        y=seen / float(printed(D, eps, b @ b, M.trace(), b @ M @ b)),
        printed=1.0,
        xlabel="epsilon",
    )
    small = 1e4 * torch.finfo(gram.dtype).eps
    yield approx("relative deviation", abs(seen - told) / size).at_most(small)


def in_fractions(b, value):
    """At M = I and eps = 1: <y K y> = tr Q^2 with Q = <y x x'>, by fourth moments of integers b."""
    b = given(b)
    D, span = len(b), range(len(b))
    Q = [
        [
            sum(
                Fraction((i == j) * (k == l) + (i == k) * (j == l) + (i == l) * (j == k), 2 * D**2)
                * b[k]
                * b[l]
                for k in span
                for l in span
            )
            for j in span
        ]
        for i in span
    ]
    seen = sum(entry**2 for line in Q for entry in line)
    b2 = sum(v * v for v in b)
    yield exact("<y K y>", seen).equals(exact("formula", value(given(D), 1, b2, D, b2)))


def along_eps(lab):
    return [dict(D=D, N=8, eps=e) for D, e in lab.pick(smoke=((2, 0.5),), quick=EPS_GRID)]


EPS_GRID = ((1, 0.25), (2, 0.5), (3, 1.0), (4, 2.0), (2, 4.0))


@check()
def as_printed_by_forms(lab, value=printed, share=1):
    yield from by_forms(value, share)


@check(lambda lab: [dict(cases=along_eps(lab))])
def as_printed_on_networks(lab, cases, value=printed):
    parts = [item for case in cases for item in on_networks(lab.at(case), **case, value=value)]
    yield from sorted(parts, key=lambda item: isinstance(item, Comparison))  # the curve first


TARGETS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@check(b=TARGETS)
def as_printed_in_fractions(lab, b, value=printed):
    yield from in_fractions(b, value)


@check()
def mended_by_forms(lab, value=quarter, share=QUARTER):
    yield from by_forms(value, share)


@check(along_eps)
def mended_on_networks(lab, D, N, eps, value=quarter):
    yield from on_networks(lab, D, N, eps, value)


alignment_numerator_printed = Claim(
    id="kumar2024/alignment-numerator-printed",
    source=Source(PAPER, "equation (20)", "2310.06110"),
    title="Numerator of the alignment, as printed",
    statement=(
        r"$\langle y(x) K(x, x') y(x') \rangle = \frac{\epsilon^2}{D^4} |\beta|^4 "
        r"\operatorname{Tr} M + \frac{8 \epsilon^2}{D^4} \beta^\top M \beta |\beta|^2$ for "
        r"$y = \frac{1}{2} (\beta \cdot x)^2$ and $K$ of (18)."
    ),
    expect=Verdict.REFUTED,
    checks=(as_printed_by_forms, as_printed_in_fractions, as_printed_on_networks),
    controls=(
        as_printed_in_fractions.but(value=quarter).must_hold(),
        as_printed_by_forms.but(value=quarter, share=QUARTER).must_hold(),
        as_printed_on_networks.but(value=quarter).must_hold(),
    ),
    severity="S1",
    gap=(
        "Severity: constant. A factor 1/4 is lost in both lines; that the alignment grows with "
        "beta' M beta stands."
    ),
)

alignment_numerator = Claim(
    id="kumar2024/alignment-numerator",
    source=Source(PAPER, "equation (20)", "2310.06110"),
    title="Numerator of the alignment",
    statement=(
        r"$\langle y(x) K(x, x') y(x') \rangle = \frac{\epsilon^2}{4 D^4} \left( |\beta|^4 "
        r"\operatorname{Tr} M + 8 |\beta|^2 \beta^\top M \beta \right)$ for every $D$, $M$ and "
        r"$\bar w$, in units of $\frac{\alpha^2}{N}$."
    ),
    corrects=("kumar2024/alignment-numerator-printed",),
    uses=("kumar2024/kernel-by-moments",),
    checks=(mended_by_forms, mended_on_networks),
    controls=(
        mended_by_forms.but(value=quarter_off),
        mended_by_forms.but(value=eps_once),
        mended_by_forms.but(share=sp.Rational(1, 3)),
        mended_on_networks.but(value=quarter_off),
        mended_on_networks.but(value=eps_once),
    ),
    gap="None for the identity.",
)


# --- the denominator ---------------------------------------------------------------------------
def second_moment(D, eps, w2, trM, trM2):
    """<K^2>."""
    return 1 / D + 2 * eps**2 * (D + 2) / D**3 * w2 + eps**4 / D**4 * ((D + 6) * trM2 + 2 * trM**2)


def mean_weight_off(D, eps, w2, trM, trM2):
    return second_moment(D, eps, w2 * D / (D + 2), trM, trM2)


def trace_off(D, eps, w2, trM, trM2):
    return second_moment(D, eps, w2, trM, trM2) - eps**4 / D**4 * trM**2


def frobenius_off(D, eps, w2, trM, trM2):
    return second_moment(D, eps, w2, trM, trM2) - 2 * eps**4 / D**4 * trM2


MOMENTS_OFF = (mean_weight_off, trace_off, frobenius_off)


@check()
def square_by_forms(lab, value=second_moment):
    """Symbolic D, wbar and M."""
    w2, trM, trM2 = form("wbar", "wbar"), trace("M"), trace("M", "M")
    yield residue(
        "surviving terms", mean(K() ** 2, "x", "z") - value(D, EPS, w2, trM, trM2)
    ).equals(0)


@check(D=st.integers(1, 4), N=st.integers(1, 8), eps=st.floats(0.25, 4))
def square_on_networks(lab, D, N, eps, value=second_moment):
    M, wbar, _, mass, gram = network_at_nodes(lab, D, N, eps)
    seen = float(mass @ gram.square() @ mass)
    told = float(value(D, eps, wbar @ wbar, M.trace(), (M @ M).trace()))
    yield approx("relative deviation", abs(seen - told) / seen).at_most(
        1e4 * torch.finfo(gram.dtype).eps
    )


@check(lambda lab: [dict(N=N) for N in lab.pick(smoke=(4,), quick=(1, 2, 4, 8, 16, 32, 64))])
def square_along_width(lab, N, value=second_moment):
    """<K^2> falls to its wide limit 1/D + 3 eps^4 (D + 2)/D^3."""
    D, eps = 3, 1.0
    M, wbar, _, mass, gram = network_at_nodes(lab, D, N, eps)
    seen = float(mass @ gram.square() @ mass)
    told = float(value(D, eps, wbar @ wbar, M.trace(), (M @ M).trace()))
    yield series("<K^2>, D = 3", x=N, y=seen, printed=told, xlabel="width N", log="xy")
    limit = 1 / D + 3 * eps**4 * (D + 2) / D**3
    yield series("<K^2> in the wide limit", x=N, y=limit, log="xy")
    small = 1e4 * torch.finfo(gram.dtype).eps
    yield approx("deviation along N", abs(seen - told) / seen).at_most(small)


kernel_second_moment = Claim(
    id="kumar2024/kernel-second-moment",
    source=Source(PAPER, "beside equation (19)", "2310.06110"),
    title="The mean square of the kernel, in closed form",
    statement=(
        r"$\langle K(x, x')^2 \rangle = \frac{1}{D} + \frac{2 \epsilon^2 (D+2)}{D^3} |\bar w|^2 + "
        r"\frac{\epsilon^4}{D^4} \left( (D+6) \operatorname{Tr} M^2 + 2 (\operatorname{Tr} M)^2 "
        r"\right)$ in units of $\frac{\alpha^4}{N^2}$, for every $D$, $\bar w$ and $M$; at "
        r"initialisation $\frac{1}{D} + \frac{3 \epsilon^4 (D+2)}{D^3}$."
    ),
    origin="ours",
    uses=("kumar2024/kernel-by-moments",),
    sharpens=("kumar2024/alignment-numerator",),
    checks=(square_by_forms, square_on_networks, square_along_width),
    controls=tuple(
        line.but(value=off)
        for line in (square_by_forms, square_on_networks, square_along_width)
        for off in MOMENTS_OFF
    ),
    gap="None for the identity.",
)
