"""Kumar et al., Appendix 11.1: the whole Mercer spectrum of the initial kernel.

Cost: ranks of integer matrices of size D(D+3)/2, and the eigenvalues of 3^D nodes, D <= 5.
"""

import itertools
from fractions import Fraction

import sympy as sp
import torch

from grokverify import Claim, Comparison, Source, Verdict, approx, check, exact, row, series
from grokverify.forms import form, form_mean, trace
from grokverify.kernels import tangent_gram
from grokverify.linalg.exact import rank_exact
from grokverify.quadrature import gauss_hermite
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")

# K(x, z) = x.z + eps^2 (x.z)^2 and (T g)(z) = E K(x, z) g(x) over x ~ N(0, I/D). On a linear form
# and on the quadratic form of a symmetric matrix A,
#   T (u.x) = u.z / D,   T (x'Ax) = 2 eps^2/D^2 z'Az + eps^2/D^2 (tr A) |z|^2,
# so that the spectrum is 1/D (D times), 2 eps^2/D^2 (D(D+1)/2 - 1 times: all A with tr A = 0) and
# eps^2 (D+2)/D^2 (once: A = I). Their sum is E K(x, x), so that nothing is missing.


def spectrum(D, eps):
    """Eigenvalue, multiplicity."""
    return (
        (1 / D, D),
        (2 * eps**2 / D**2, D * (D + 1) / 2 - 1),
        (eps**2 * (D + 2) / D**2, 1),
    )


def with_one_more(D, eps):
    """D diagonal eigenfunctions, as the text below (14) counts them."""
    linear, (value, count), norm = spectrum(D, eps)
    return linear, (value, count + 1), norm


def with_printed_norm(D, eps):
    """(16) as it is printed."""
    linear, quadratic, (value, count) = spectrum(D, eps)
    return linear, quadratic, (value / eps**2, count)


def with_printed_quadratic(D, eps):
    linear, (value, count), norm = spectrum(D, eps)
    return linear, (value / eps, count), norm


def with_linear_off(D, eps):
    (value, count), quadratic, norm = spectrum(D, eps)
    return (value * 51 / 50, count), quadratic, norm


OFF = (with_one_more, with_printed_norm, with_printed_quadratic, with_linear_off)


def kernel(xz):
    return xz + EPS**2 * xz**2


@check()
def in_any_dimension(lab, values=spectrum):
    """T on an arbitrary u and symmetric A; then sum lambda and sum lambda^2, D symbolic."""
    (linear, _), (quadratic, _), (norm, _) = values(D, EPS)

    def T(g):
        return form_mean(sp.expand(kernel(form("x", "z")) * g), "x", variance=1 / D, dimension=D)

    yield residue("terms left of u.x", T(form("u", "x")) - linear * form("u", "z")).equals(0)
    part = (norm - quadratic) / D * trace("A") * form("z", "z")
    gap = T(form("x", "A", "x")) - quadratic * form("z", "A", "z") - part
    yield residue("terms left of x'Ax", gap).equals(0)
    total = form_mean(kernel(form("x", "x")), "x", variance=1 / D, dimension=D)
    gap = total - sum(value * count for value, count in values(D, EPS))
    yield residue("terms left of the trace", gap).equals(0)
    square = form_mean(sp.expand(kernel(form("x", "z")) ** 2), "x", variance=1 / D, dimension=D)
    square = form_mean(square, "z", variance=1 / D, dimension=D)
    gap = square - sum(value**2 * count for value, count in values(D, EPS))
    yield residue("terms left of the sum of squares", gap).equals(0)


def moment(indices, D):
    """E of a product of entries of x ~ N(0, I/D), by counting how often each occurs."""
    total = Fraction(1, D ** (len(indices) // 2))
    for i in set(indices):
        n = indices.count(i)
        total *= 0 if n % 2 else sp.factorial2(n - 1)
    return Fraction(int(total.numerator), int(total.denominator))


def matrix_of_T(D, eps):
    """T in the monomials x_i and x_i x_j (i <= j), in Fractions."""
    basis = [(i,) for i in range(D)] + list(itertools.combinations_with_replacement(range(D), 2))

    def entry(out, of):
        weight = Fraction(1) if len(out) == 1 else eps**2 * (2 if out[0] != out[1] else 1)
        return weight * moment((*out, *of), D)

    return [[entry(out, of) for of in basis] for out in basis]


@check(lambda lab: [dict(D=D) for D in lab.pick(smoke=(2,), quick=(1, 2, 3, 4), standard=(5, 6))])
def by_exact_ranks(lab, D, values=spectrum):
    """dim ker(T - lambda) by ranks over the rationals, at eps = 5/3, where no values coincide."""
    eps = Fraction(5, 3)
    T = matrix_of_T(D, eps)
    size, found = len(T), 0
    for value, count in values(Fraction(D), eps):
        shifted = [[T[i][j] - (value if i == j else 0) for j in range(size)] for i in range(size)]
        multiplicity = size - rank_exact(shifted)
        found += multiplicity
        yield row(D=D, eigenvalue=value, multiplicity=multiplicity)
        yield exact("excess multiplicity", multiplicity - count).equals(0)
    yield exact("eigenvalues not listed", size - found).equals(0)


@check(lambda lab: [dict(D=D) for D in lab.pick(smoke=(3,), quick=(2, 3, 4, 5))])
def on_a_network(lab, D, values=spectrum):
    """All eigenvalues of the tangent kernel of a network under an exact integration rule."""
    eps = 0.9
    W = torch.cat([torch.eye(D), -torch.eye(D)]).to(lab.real(0.0)) * D**0.5
    x, mass = gauss_hermite(W, D, variance=1 / D)

    def outputs(at):
        h = x @ at["W"].mT
        return (h + eps / 2 * h**2).mean(-1)

    K = tangent_gram(outputs, {"W": W}) * len(W)
    seen = torch.linalg.eigvalsh(mass.sqrt()[:, None] * K * mass.sqrt()).flip(0)
    listed = sorted((v for v, n in values(D, eps) for _ in range(round(n))), reverse=True)
    told = torch.zeros_like(seen)
    told[: len(listed)] = seen.new_tensor(listed)
    index = list(range(1, len(listed) + 1))
    yield series(
        f"eigenvalues with multiplicities, D={D}",
        x=index,
        y=seen[: len(listed)],
        printed=told[: len(listed)],
        xlabel="index",
        ylabel="eigenvalue, eps = 0.9",
        log="y",
    )
    gap = float((seen - told).abs().max() / seen[0])
    yield approx("largest gap", gap).at_most(1e4 * torch.finfo(K.dtype).eps)


mercer_spectrum = Claim(
    id="kumar2024/mercer-spectrum",
    source=Source(PAPER, "beside Appendix 11.1", "2310.06110"),
    title="The Mercer spectrum of the initial kernel with all multiplicities",
    statement=(
        r"For $K(x, x') = x \cdot x' + \epsilon^2 (x \cdot x')^2$ and $x \sim \mathcal{N}(0, I/D)$ "
        r"the nonzero eigenvalues are $\frac{1}{D}$ ($D$ times, linear functions), "
        r"$\frac{2\epsilon^2}{D^2}$ ($\frac{D(D+1)}{2} - 1$ times, $x^\top A x$ with "
        r"$\operatorname{Tr} A = 0$) and $\frac{\epsilon^2 (D+2)}{D^2}$ (once, $|x|^2$), and their "
        r"sum is $\langle K(x, x) \rangle = 1 + \epsilon^2 (1 + \frac{2}{D})$."
    ),
    origin="ours",
    uses=("kumar2024/wide-kernel",),
    sharpens=("kumar2024/traceless-modes", "kumar2024/mixed-modes", "kumar2024/trace-mode"),
    checks=(in_any_dimension, by_exact_ranks, on_a_network),
    controls=tuple(
        line.but(values=off)
        for line in (in_any_dimension, by_exact_ranks, on_a_network)
        for off in OFF
    ),
    gap="Nothing is missing because a positive kernel whose listed eigenvalues exhaust its trace "
    "has no other: that step is argued in words.",
)


# --- below (14): how many independent eigenfunctions x_i^2 - |x|^2/D there are -------------------
def all_of_them(D):
    return D


def one_less(D):
    return D - 1


def two_less(D):
    return D - 2


def count_by_rank(D, count):
    """Rank of the coefficients of D x_i^2 - |x|^2, i = 1..D, over the rationals."""
    rank = rank_exact([[D * (i == j) - 1 for j in range(D)] for i in range(D)])
    yield row(D=D, independent=rank, printed=D)
    yield series("independent eigenfunctions", x=D, y=rank, printed=D, xlabel="dimension D")
    yield exact("independent eigenfunctions", rank).equals(count(D))


def count_by_trace(count):
    """sum lambda = E K(x, x): linear, diagonal, mixed and |x|^2, D symbolic."""
    whole = form_mean(kernel(form("x", "x")), "x", variance=1 / D, dimension=D)
    (linear, _), (quadratic, _), (norm, _) = spectrum(D, EPS)
    parts = D * linear + (count(D) + D * (D - 1) / 2) * quadratic + norm
    yield residue("terms left of the trace", whole - parts).equals(0)


def some_dimensions(lab):
    return [dict(D=D) for D in lab.pick(smoke=(1, 2, 7), quick=(1, 2, 3, 5, 8, 13, 21, 34))]


@check(lambda lab: [dict(dimensions=[case["D"] for case in some_dimensions(lab)])])
def count_as_printed(lab, dimensions, count=all_of_them):
    parts = [item for D in dimensions for item in count_by_rank(D, count)]
    yield from sorted(parts, key=lambda item: isinstance(item, Comparison))  # the curve first


@check()
def count_as_printed_by_trace(lab, count=all_of_them):
    yield from count_by_trace(count)


@check(some_dimensions)
def count_mended(lab, D, count=one_less):
    yield from count_by_rank(D, count)


@check()
def count_mended_by_trace(lab, count=one_less):
    yield from count_by_trace(count)


diagonal_modes_printed = Claim(
    id="kumar2024/diagonal-modes-printed",
    source=Source(PAPER, "below equation (13) and below (14)", "2310.06110"),
    title="There are D further diagonal eigenfunctions, as printed",
    statement=r"The functions $x_i^2 - \frac{1}{D} |x|^2$ make $D$ additional eigenfunctions.",
    expect=Verdict.REFUTED,
    checks=(count_as_printed, count_as_printed_by_trace),
    controls=(
        count_as_printed.but(count=one_less).must_hold(),
        count_as_printed_by_trace.but(count=one_less).must_hold(),
    ),
    severity="S3",
    gap="Severity: slip. They sum to 0, so that D - 1 of them are independent. With D the count of "
    "all quadratic eigenfunctions would be one too large.",
)

diagonal_modes = Claim(
    id="kumar2024/diagonal-modes",
    source=Source(PAPER, "below equation (13) and below (14)", "2310.06110"),
    title="There are D - 1 further diagonal eigenfunctions",
    statement=(
        r"The functions $x_i^2 - \frac{1}{D} |x|^2$, $i = 1, \dots, D$, span $D - 1$ dimensions of "
        r"eigenfunctions."
    ),
    corrects=("kumar2024/diagonal-modes-printed",),
    checks=(count_mended, count_mended_by_trace),
    controls=(count_mended.but(count=two_less), count_mended_by_trace.but(count=two_less)),
    gap="The rank is exact for the listed D; the trace identity holds for every D.",
)
