"""Kumar et al., Sections 5 and 5.3: the alignment of a kernel matrix with labels.

Exact integers: K is a Gram matrix. Cost: instant.
"""

import numpy as np
import sympy as sp
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, check, exact, row, series
from grokverify.symbolic import residue
from grokverify.worked import given

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# Section 5:    y'Ky / (|K|_F |y|^2)
# Section 5.3:  y'Ky / (|K|_F |y|), called the same quantity
# (19)          <y K y> / (sqrt(<K^2>) <y^2>), its value for the whole distribution
# Both are called centred kernel alignment; Cortes et al. centre K and y, which neither form does.
# Squares are compared: they are rational.


def squared_norm(yKy, K2, y2):
    """The form of Section 5, squared."""
    return yKy**2 / (K2 * y2**2)


def plain_norm(yKy, K2, y2):
    """The form of Section 5.3, squared."""
    return yKy**2 / (K2 * y2)


def norm_four_thirds(yKy, K2, y2):
    return yKy**2 / (K2 * y2**3)


def alignment(K, y, form=squared_norm):
    K, y = given(K), given(y)
    return form(y @ K @ y, (K * K).sum(), y @ y)


def gram(lab, P):
    """A Gram matrix of P different integer vectors, none of them 0."""
    x = lab.integers("x", -2, 3, P, 3).cpu().numpy()
    x = np.column_stack([x, np.arange(1, P + 1)])
    return x @ x.T


# --- |y| or |y|^2 ------------------------------------------------------------------------------
def rescaled(lab, P, c, form):
    K, y = gram(lab, P), np.arange(1, P + 1)
    before, after = alignment(K, y, form), alignment(K, c * y, form)
    yield row(P=P, c=c, before=before, after=after)
    yield series(
        f"alignment^2 of c y over that of y, P={P}",
        x=c,
        y=after / before,
        printed=1,
        xlabel="scale c of the labels",
    )
    yield exact("alignment^2 of c y over that of y", after / before).equals(1)


def rescaled_in_symbols(power):
    """P = 2 and a generic symmetric K; the norm of y to the power given, squared throughout."""
    a, b, d, u, v, c = sp.symbols("a b d u v c")
    K, y = sp.Matrix([[a, b], [b, d]]), sp.Matrix([u, v])

    def square(y):
        return y.dot(K * y) ** 2 / sum(k**2 for k in K) / y.dot(y) ** power

    yield residue("surviving terms", square(c * y) - square(y)).equals(0)


@check(P=st.integers(1, 6), c=st.integers(1, 9))
def rescaling_as_printed(lab, P, c, form=plain_norm):
    yield from rescaled(lab, P, c, form)


@check()
def rescaling_as_printed_in_symbols(lab, power=1):
    yield from rescaled_in_symbols(power)


alignment_norm_printed = Claim(
    id="kumar2024/alignment-norm-printed",
    source=Source(PAPER, "Section 5.3 after (6)", "2310.06110"),
    title="The alignment with |y| in its denominator, as printed",
    statement=(
        r"$\frac{y^\top K y}{| K |_F | y |}$ is a measure of alignment: it does not depend on the "
        r"scale of $y$, like $\frac{y^\top K y}{| K |_F | y |^2}$ of Section 5."
    ),
    expect=Verdict.REFUTED,
    checks=(rescaling_as_printed, rescaling_as_printed_in_symbols),
    controls=(
        rescaling_as_printed.but(form=squared_norm).must_hold(),
        rescaling_as_printed_in_symbols.but(power=2).must_hold(),
    ),
    severity="S3",
    gap="Severity: slip. One exponent in Section 5.3; elsewhere the text we read has the square. "
    "That it is free of scale is our reading of an alignment.",
)


@check(
    lambda lab: [dict(P=P, c=c) for P in lab.pick(smoke=(3,), quick=(1, 3, 6)) for c in (2, 3, 7)]
)
def rescaling(lab, P, c, form=squared_norm):
    yield from rescaled(lab, P, c, form)


@check()
def rescaling_in_symbols(lab, power=2):
    yield from rescaled_in_symbols(power)


@check(P=st.integers(1, 6), c=st.integers(1, 9))
def between_0_and_1(lab, P, c, form=squared_norm):
    """K is a Gram matrix: y'Ky <= |K|_F |y|^2 by Cauchy and Schwarz."""
    value = alignment(gram(lab, P), c * np.arange(1, P + 1), form)
    yield exact("alignment^2", value).at_most(1)
    yield exact("alignment^2 at least", value).at_least(0)


def negated(yKy, K2, y2):
    return -squared_norm(yKy, K2, y2)


@check(lambda lab: [dict(copies=n) for n in lab.pick(smoke=(2,), quick=(1, 2, 3, 5))])
def of_repeated_data(lab, copies, form=squared_norm):
    """Every point n times: a mean over the data stays what it is, and so does (19)."""
    K, y = gram(lab, 4), np.arange(1, 5)
    many = np.kron(K, np.ones((copies, copies), dtype=np.int64)), np.repeat(y, copies)
    ratio = alignment(*many, form) / alignment(K, y, form)
    yield exact("alignment^2 of n copies over that of one", ratio).equals(1)


alignment_of_data = Claim(
    id="kumar2024/alignment-of-data",
    source=Source(PAPER, "Section 5 and equation (19)", "2310.06110"),
    title="The alignment is free of scale, between 0 and 1, and a ratio of means",
    statement=(
        r"$\frac{y^\top K y}{| K |_F | y |^2}$ does not depend on the scale of $y$, lies in "
        r"$[0, 1]$ for $K \ge 0$, and is the ratio (19) of means over the data, "
        r"$\frac{\langle y K y \rangle}{\sqrt{\langle K^2 \rangle} \langle y^2 \rangle}$: "
        r"repeating every point leaves it as it is."
    ),
    corrects=("kumar2024/alignment-norm-printed",),
    checks=(
        rescaling.part("scale"),
        rescaling_in_symbols.part("scale"),
        between_0_and_1.part("range"),
        of_repeated_data.part("ratio of means"),
    ),
    controls=(
        rescaling.but(form=plain_norm),
        rescaling.but(form=norm_four_thirds),
        rescaling_in_symbols.but(power=1),
        rescaling_in_symbols.but(power=3),
        between_0_and_1.but(form=plain_norm),
        between_0_and_1.but(form=negated),
        of_repeated_data.but(form=plain_norm),
        of_repeated_data.but(form=norm_four_thirds),
    ),
    gap="Symbolic for two points; exact for random integer Gram matrices of up to six.",
)


# --- centred or not ----------------------------------------------------------------------------
def as_it_is(K, y):
    return K, y


def centred(K, y):
    """P^2 HKH and P Hy with H = I - 1 1'/P, in integers."""
    P = len(y)
    H = P * np.eye(P, dtype=np.int64) - 1
    return H @ K @ H, H @ y


def shifted(lab, P, c, prepare):
    K, y = gram(lab, P), np.arange(1, P + 1)
    before, after = alignment(*prepare(K, y)), alignment(*prepare(K, y + c))
    yield row(P=P, c=c, before=before, after=after)
    yield exact("alignment^2 of y + c minus that of y", after - before).equals(0)


def lifted(lab, P, c, prepare):
    K, y = gram(lab, P), np.arange(1, P + 1)
    before, after = alignment(*prepare(K, y)), alignment(*prepare(K + c, y))
    yield series(
        f"alignment^2 with K + c, P={P}",
        x=c,
        y=after,
        printed=before,
        xlabel="constant added to the kernel",
    )
    yield exact("alignment^2 with K + c minus that with K", after - before).equals(0)


@check(P=st.integers(2, 6), c=st.integers(1, 9))
def shift_of_labels(lab, P, c, prepare=as_it_is):
    yield from shifted(lab, P, c, prepare)


@check(P=st.integers(2, 6), c=st.integers(1, 9))
def shift_of_kernel(lab, P, c, prepare=as_it_is):
    yield from lifted(lab, P, c, prepare)


alignment_centred_printed = Claim(
    id="kumar2024/alignment-centred-printed",
    source=Source(PAPER, "Section 5 before 5.1", "2310.06110"),
    title="The alignment is centred, as its name says",
    statement=(
        r"$\frac{y^\top K y}{| K |_F | y |^2}$ is the centred kernel alignment of Cortes et al.: a "
        r"constant added to all labels, or to the kernel, leaves it as it is."
    ),
    expect=Verdict.REFUTED,
    checks=(shift_of_labels, shift_of_kernel),
    controls=(
        shift_of_labels.but(prepare=centred).must_hold(),
        shift_of_kernel.but(prepare=centred).must_hold(),
    ),
    severity="S3",
    gap="Severity: slip of a name. The formula is the uncentred alignment; the targets of the "
    "paper have a positive mean, so that the two differ.",
)


def only_labels(K, y):
    return K, centred(K, y)[1]


def only_kernel(K, y):
    return centred(K, y)[0], y


@check(P=st.integers(2, 6), c=st.integers(1, 9))
def labels_shifted_then_centred(lab, P, c, prepare=centred):
    yield from shifted(lab, P, c, prepare)


@check(P=st.integers(2, 6), c=st.integers(1, 9))
def kernel_shifted_then_centred(lab, P, c, prepare=centred):
    yield from lifted(lab, P, c, prepare)


@check(dict(of="labels"), dict(of="kernel"))
def shifts_in_symbols(lab, of, left=0):
    """Three points and any symmetric K: H = I - 1 1'/3, of which `left` is added back."""
    a, b, d, e, f, g, c = sp.symbols("a b d e f g c")
    K, y = sp.Matrix([[a, b, d], [b, e, f], [d, f, g]]), sp.Matrix(sp.symbols("y1:4"))
    ones = sp.ones(3, 1)
    H = sp.eye(3) - ones * ones.T * (1 - sp.Rational(left)) / 3

    def terms(K, y):
        K, y = H * K * H, H * y
        return (y.T * K * y)[0], sum(k**2 for k in K), y.dot(y)

    before = terms(K, y)
    after = terms(K, y + c * ones) if of == "labels" else terms(K + c * ones * ones.T, y)
    for name, u, v in zip(("y'Ky", "|K|^2", "|y|^2"), before, after, strict=True):
        yield residue(f"change of {name}, centred", v - u).equals(0)


alignment_centred = Claim(
    id="kumar2024/alignment-centred",
    source=Source(PAPER, "Section 5 before 5.1", "2310.06110"),
    title="The alignment of the centred kernel and labels is centred",
    statement=(
        r"With $H = I - \frac{1}{P} 1 1^\top$, the alignment $\frac{(Hy)^\top HKH (Hy)}{| HKH |_F "
        r"| Hy |^2}$ stays as it is when a constant is added to all labels, or to the kernel."
    ),
    hypotheses=("neither $Hy$ nor $HKH$ is 0",),
    checks=(labels_shifted_then_centred, kernel_shifted_then_centred, shifts_in_symbols),
    controls=(
        labels_shifted_then_centred.but(prepare=only_kernel),
        kernel_shifted_then_centred.but(prepare=only_labels),
        shifts_in_symbols.but(left="1/10"),
    ),
    corrects=("kumar2024/alignment-centred-printed",),
    gap="Symbolic for three points, exact for random integer Gram matrices of up to six.",
)
