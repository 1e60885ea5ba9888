"""Kumar et al., Appendix 11.1: two eigenvalues that lost a power of eps, beside the right ones.

The equations above them, (12) to (15), are right and decide both. Cost: instant.
"""

from fractions import Fraction

import sympy as sp
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, check, exact, series
from grokverify.forms import form, form_mean
from grokverify.symbolic import residue
from grokverify.worked import given, unequal

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")

# (11)  (T g)(z) = E K(x, z) g(x),  K(x, z) = x.z + eps^2 (x.z)^2,  x ~ N(0, I/D)


def T(g):
    """In symbolic dimension; u and v are orthogonal unit vectors."""
    K = form("x", "z") + EPS**2 * form("x", "z") ** 2
    image = form_mean(sp.expand(K * g), "x", variance=1 / D, dimension=D)
    return image.subs({form("u", "u"): 1, form("v", "v"): 1, form("u", "v"): 0})


def fourth_moment(D, *indices):
    """E of a product of four entries of x ~ N(0, I/D), as a Fraction."""
    i, j, k, l = indices
    return Fraction((i == j) * (k == l) + (i == k) * (j == l) + (i == l) * (j == k), D**2)


def quadratic_image(D, eps, A):
    """T x'Ax = z'Bz for an integer matrix A: the matrix B, summed entry by entry, exactly."""
    span = range(D)
    return [
        [
            eps**2 * sum(A[i][j] * fourth_moment(D, i, j, k, l) for i in span for j in span)
            for l in span
        ]
        for k in span
    ]


def integers(largest):
    return {"D": st.integers(1, largest), "eps": st.integers(1, 4)}


# --- (16): the eigenvalue of |x|^2 ---------------------------------------------------------------
def printed_trace_value(D, eps):
    return (1 + 2 / D) / D


def trace_value(D, eps):
    return eps**2 * (1 + 2 / D) / D


def trace_value_off(D, eps):
    return eps**2 * (1 + 1 / D) / D


def norm_by_forms(value):
    gap = T(form("x", "x")) - value(D, EPS) * form("z", "z")
    yield residue("surviving terms", gap).equals(0)


def norm_by_sums(D, eps, value):
    identity = [[int(i == j) for j in range(D)] for i in range(D)]
    B = quadratic_image(D, given(eps), identity)
    told = value(given(D), given(eps))
    yield series(
        f"eigenvalue of |x|^2, eps = {eps}",
        x=D,
        y=B[0][0],
        printed=printed_trace_value(Fraction(D), 1),
        xlabel="dimension D",
        log="xy",
    )
    wrong = unequal(
        [entry for line in B for entry in line],
        [told * (i == j) for i in range(D) for j in range(D)],
    )
    yield exact("wrong coefficients", wrong).equals(0)


@check()
def norm_as_printed(lab, value=printed_trace_value):
    yield from norm_by_forms(value)


@check(**integers(4))
def norm_as_printed_by_sums(lab, D, eps, value=printed_trace_value):
    yield from norm_by_sums(D, eps, value)


@check()
def norm_mended(lab, value=trace_value):
    yield from norm_by_forms(value)


def grid(lab):
    sizes = lab.pick(smoke=(1, 3), quick=(1, 2, 3, 4, 5, 6))
    return [dict(D=D, eps=eps) for eps in (1, 2) for D in sizes]


@check(grid)
def norm_mended_by_sums(lab, D, eps, value=trace_value):
    yield from norm_by_sums(D, eps, value)


trace_mode_printed = Claim(
    id="kumar2024/trace-mode-printed",
    source=Source(PAPER, "equation (16)", "2310.06110"),
    title="|x|^2 has eigenvalue (1/D)(1 + 2/D), as printed",
    statement=(
        r"$\langle K(x, x') |x|^2 \rangle = \frac{1}{D} \left( 1 + \frac{2}{D} \right) |x'|^2$ for "
        r"$K(x, x') = x \cdot x' + \epsilon^2 (x \cdot x')^2$."
    ),
    expect=Verdict.REFUTED,
    checks=(norm_as_printed, norm_as_printed_by_sums),
    controls=(
        norm_as_printed.but(value=trace_value).must_hold(),
        norm_as_printed_by_sums.but(value=trace_value).must_hold(),
    ),
    severity="S1",
    gap=(
        "Severity: constant. The factor epsilon^2 is lost; the second part of (13) has it. The "
        "conclusion drawn from it (P ~ D for this mode, P ~ D^2 for the rest) compares orders in D."
    ),
)

trace_mode = Claim(
    id="kumar2024/trace-mode",
    source=Source(PAPER, "equation (16)", "2310.06110"),
    title="|x|^2 is an eigenfunction with eigenvalue eps^2 (D + 2)/D^2",
    statement=(
        r"$\langle K(x, x') |x|^2 \rangle = \frac{\epsilon^2}{D} \left( 1 + \frac{2}{D} \right) "
        r"|x'|^2$ for every $D$."
    ),
    corrects=("kumar2024/trace-mode-printed",),
    checks=(norm_mended, norm_mended_by_sums),
    controls=(
        norm_mended.but(value=trace_value_off),
        norm_mended_by_sums.but(value=trace_value_off),
    ),
    gap="None.",
)


# --- Section 5 and below (17): the eigenvalue of the other quadratic functions ------------------
def printed_quadratic_value(D, eps):
    return 2 * eps / D**2


def quadratic_value(D, eps):
    return 2 * eps**2 / D**2


def quadratic_value_off(D, eps):
    return eps**2 / D**2


def traceless_by_forms(value):
    for name, g, at in (
        ("u.x v.x", form("u", "x") * form("v", "x"), form("u", "z") * form("v", "z")),
        (
            "(u.x)^2 - |x|^2/D",
            form("u", "x") ** 2 - form("x", "x") / D,
            form("u", "z") ** 2 - form("z", "z") / D,
        ),
    ):
        yield residue(f"terms left of {name}", T(g) - value(D, EPS) * at).equals(0)


def traceless_by_sums(D, eps, value):
    """x_1^2 - x_2^2 and x_1 x_2."""
    told = value(given(D), given(eps))
    for name, entries in (
        ("x1^2 - x2^2", {(0, 0): 1, (1, 1): -1}),
        ("x1 x2", {(0, 1): 1, (1, 0): 1}),
    ):
        A = [[entries.get((i, j), 0) for j in range(D)] for i in range(D)]
        B = quadratic_image(D, given(eps), A)
        entry = B[0][0] if name != "x1 x2" else B[0][1]
        yield series(
            f"eigenvalue of {name}, eps = {eps}",
            x=D,
            y=entry,
            printed=Fraction(2 * eps, D**2),
            xlabel="dimension D",
            log="xy",
        )
        wrong = unequal(
            [entry for line in B for entry in line], [told * entry for line in A for entry in line]
        )
        yield exact(f"wrong coefficients of {name}", wrong).equals(0)


@check()
def quadratics_as_printed(lab, value=printed_quadratic_value):
    yield from traceless_by_forms(value)


@check(D=st.integers(2, 4), eps=st.integers(1, 4))
def quadratics_as_printed_by_sums(lab, D, eps, value=printed_quadratic_value):
    yield from traceless_by_sums(D, eps, value)


@check()
def quadratics_mended(lab, value=quadratic_value):
    yield from traceless_by_forms(value)


@check(lambda lab: [case for case in grid(lab) if case["D"] > 1])
def quadratics_mended_by_sums(lab, D, eps, value=quadratic_value):
    yield from traceless_by_sums(D, eps, value)


quadratic_eigenvalue_printed = Claim(
    id="kumar2024/quadratic-eigenvalue-printed",
    source=Source(PAPER, "Section 5 after (5), and after (17)", "2310.06110"),
    title="Quadratic functions have eigenvalue 2 eps/D^2, as printed",
    statement=(
        r"Under the initial kernel (10) quadratic functions have the eigenvalue "
        r"$\lambda_{\mathrm{quadr}} = \frac{2\epsilon}{D^2}$."
    ),
    expect=Verdict.REFUTED,
    checks=(quadratics_as_printed, quadratics_as_printed_by_sums),
    controls=(
        quadratics_as_printed.but(value=quadratic_value).must_hold(),
        quadratics_as_printed_by_sums.but(value=quadratic_value).must_hold(),
    ),
    severity="S1",
    gap=(
        "Severity: constant, in the main text twice (the sample size D^2/(2 epsilon) rests on it). "
        "(14) and (15) have epsilon^2. Tested on traceless forms; |x|^2 has (16), another value."
    ),
)

quadratic_eigenvalue = Claim(
    id="kumar2024/quadratic-eigenvalue",
    source=Source(PAPER, "Section 5 after (5), and after (17)", "2310.06110"),
    title="Traceless quadratic functions have eigenvalue 2 eps^2/D^2",
    statement=(
        r"Under (10) the functions $x_i x_j$ with $i \ne j$ and $x_i^2 - \frac{1}{D} |x|^2$ have "
        r"the eigenvalue $\frac{2\epsilon^2}{D^2}$."
    ),
    corrects=("kumar2024/quadratic-eigenvalue-printed",),
    uses=("kumar2024/traceless-modes", "kumar2024/mixed-modes"),
    checks=(quadratics_mended, quadratics_mended_by_sums),
    controls=(
        quadratics_mended.but(value=quadratic_value_off),
        quadratics_mended_by_sums.but(value=quadratic_value_off),
    ),
    gap="None.",
)
