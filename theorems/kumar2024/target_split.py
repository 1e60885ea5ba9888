"""Kumar et al., Appendix 11.1: the target in eigenfunctions of the initial kernel, equation (17).

Cost: instant.
"""

from fractions import Fraction

import sympy as sp
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, check, exact, row, series
from grokverify.forms import form, form_mean
from grokverify.symbolic import residue
from grokverify.worked import given, unequal

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")

# (17), as printed:  y(x) = 1/2 (b.x)^2 = 1/2 [(b.x)^2 - |x|^2/D] + |x|^2/(2D),
# where the bracket is said to be an eigenfunction of T g(z) = E K(x, z) g(x) for (10), with
# 2 eps^2/D^2 (after mending the printed 2 eps/D^2), and |x|^2 another. The split adds up for any b,
# but T (x'Ax) is a multiple of z'Az only for tr A = 0 or A = I: the bracket needs |b|^2 |x|^2/D.


def printed(D, bb, square, norm):
    """The two summands, given |b|^2, (b.x)^2 and |x|^2."""
    return (square - norm / D) / 2, norm / (2 * D)


def mended(D, bb, square, norm):
    return (square - bb * norm / D) / 2, bb * norm / (2 * D)


def mended_wrongly(D, bb, square, norm):
    return (square - bb * norm / (D + 1)) / 2, bb * norm / (2 * (D + 1))


def not_adding_up(D, bb, square, norm):
    first, second = mended(D, bb, square, norm)
    return first, 2 * second


def mixed_up(D, bb, square, norm):
    first, second = mended(D, bb, square, norm)
    return first - square / 100, second + square / 100


def by_forms(split):
    """D, b and eps symbolic: the summands add up, and each is an eigenfunction."""
    bb, bx, xx = form("b", "b"), form("b", "x"), form("x", "x")
    K = form("x", "z") + EPS**2 * form("x", "z") ** 2
    parts = split(D, bb, bx**2, xx)
    yield residue("terms left of the sum", sum(parts) - bx**2 / 2).equals(0)
    at = split(D, bb, form("b", "z") ** 2, form("z", "z"))
    values = 2 * EPS**2 / D**2, EPS**2 * (D + 2) / D**2
    for name, g, h, value in zip(("bracket", "|x|^2"), parts, at, values, strict=True):
        image = form_mean(sp.expand(K * g), "x", variance=1 / D, dimension=D)
        yield residue(f"defect of the {name} part", image - value * h).equals(0)


def by_sums(b, split):
    """Integer b; the bracket x'Ax has the image 2/D^2 z'Az + (tr A)/D^2 |z|^2 (eps = 1)."""
    D = len(b)
    b = given(b)
    bb = sum(v * v for v in b)
    A = [
        [split(given(D), bb, b[i] * b[j], Fraction(i == j))[0] for j in range(D)] for i in range(D)
    ]
    trace = sum(A[i][i] for i in range(D))
    image = [
        [
            sum(
                A[k][l]
                * Fraction((i == j) * (k == l) + (i == k) * (j == l) + (i == l) * (j == k), D**2)
                for k in range(D)
                for l in range(D)
            )
            for j in range(D)
        ]
        for i in range(D)
    ]
    gap = [[image[i][j] - 2 * A[i][j] / Fraction(D**2) for j in range(D)] for i in range(D)]
    yield row(D=D, b2=bb, trace_of_bracket=trace, defect=gap[0][0])
    yield series(
        "defect of the bracket, in units of eps^2 |z|^2",
        x=bb,
        y=gap[0][0],
        printed=Fraction(bb - 1, 2 * D**2),
        xlabel="|b|^2",
        ylabel="defect (second curve: (|b|^2 - 1)/(2 D^2))",
    )
    entries = [entry for line in gap for entry in line]
    wrong = unequal(entries, [0] * len(entries))
    yield exact("coefficients of the defect", wrong).equals(0)


@check()
def as_printed_by_forms(lab, split=printed):
    yield from by_forms(split)


TARGETS = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@check(b=TARGETS)
def as_printed_by_sums(lab, b, split=printed):
    yield from by_sums(b, split)


@check()
def mended_by_forms(lab, split=mended):
    yield from by_forms(split)


@check(b=TARGETS)
def mended_by_sums(lab, b, split=mended):
    yield from by_sums(b, split)


target_split_printed = Claim(
    id="kumar2024/target-split-printed",
    source=Source(PAPER, "equation (17)", "2310.06110"),
    title="The target in two eigenfunctions, as printed",
    statement=(
        r"$y(x) = \frac{1}{2} \left[ (x \cdot \beta)^2 - \frac{1}{D} |x|^2 \right] + \frac{1}{2D} "
        r"|x|^2$ splits the target into two eigenfunctions of the initial kernel."
    ),
    expect=Verdict.REFUTED,
    checks=(as_printed_by_forms, as_printed_by_sums),
    controls=(
        as_printed_by_forms.but(split=mended).must_hold(),
        as_printed_by_sums.but(split=mended).must_hold(),
    ),
    severity="S3",
    gap=(
        "Severity: slip. Right for |beta| = 1, which is not said; in the text we read beta is not "
        "normalised, and (6) and (20) carry |beta|. The eigenvalues are those of the mended (14), "
        "(16)."
    ),
)

target_split = Claim(
    id="kumar2024/target-split",
    source=Source(PAPER, "equation (17)", "2310.06110"),
    title="The target in two eigenfunctions of the initial kernel",
    statement=(
        r"$y(x) = \frac{1}{2} \left[ (x \cdot \beta)^2 - \frac{|\beta|^2}{D} |x|^2 \right] + "
        r"\frac{|\beta|^2}{2D} |x|^2$, with eigenvalues $\frac{2\epsilon^2}{D^2}$ and "
        r"$\frac{\epsilon^2 (D+2)}{D^2}$, for every $\beta$ and $D$."
    ),
    corrects=("kumar2024/target-split-printed",),
    uses=("kumar2024/traceless-modes", "kumar2024/trace-mode"),
    checks=(mended_by_forms, mended_by_sums),
    controls=(
        mended_by_forms.but(split=mended_wrongly),
        mended_by_forms.but(split=not_adding_up),
        mended_by_forms.but(split=mixed_up),
        mended_by_sums.but(split=mended_wrongly),
    ),
    gap="None.",
)
