"""The expected eNTK is positive definite (Mohamadi et al. 2024, Proposition B.3).

W = (Q, R) with independent entries, V arbitrary, K_theta = J + sum_k L_k (B.2), where
L_k(x, x') = 1[c=c'] (Q_ka + R_kb)^2 (Q_ka' + R_kb')^2 and J >= 0 comes from the derivatives by W.
For mean zero, variance s = sigma_W^2, skewness zero and E w^4 = kappa s^2 the paper finds

    E L_k = s^2 1[c=c'] * { 4            a != a', b != b'
                          { kappa + 3    one of them equal
                          { 2 kappa + 6  both equal

and from it lambda_min(E K_theta) >= 4 h s^2 on distinct inputs.
Cost: rational matrices of p^3 rows; all weights of a law on three values for one unit at p = 2.
"""

import itertools
from fractions import Fraction

import numpy as np
import sympy
from hypothesis import strategies as st

from grokverify import Claim, Source, check, exact, row, series
from grokverify.kernels import inputs, jacobian
from grokverify.linalg.exact import rank_exact
from grokverify.linalg.rational import is_semidefinite
from grokverify.symbolic import residue
from grokverify.worked import given, unequal

PAPER = "Mohamadi et al., Why Do You Grok?"
SYMMETRIC = [[-1, 1], [-1, 0, 1], [-2, -1, 1, 2], [-3, 0, 0, 3]]  # uniform on the listed values
SKEWED = [[-1, -1, 2], [-3, 1, 2], [-5, 1, 1, 3]]  # of mean zero
SHIFTED = [[0, 1], [0, 1, 5], [1, 2, 3], [-1, 4, 4]]


def moment(law, k):
    return sum(w**k for w in law) / Fraction(len(law))


def variance(law):
    return moment(law, 2) - moment(law, 1) ** 2


def equal_coordinates(x):
    return [(np.asarray(u)[:, None] == np.asarray(u)).astype(int) for u in x]


# --- the table of E L_k ---------------------------------------------------------------------------


def printed_table(kappa):
    """E L_k / s^2 by (a = a', b = b')."""
    return {(0, 0): 4, (1, 0): kappa + 3, (0, 1): kappa + 3, (1, 1): 2 * kappa + 6}


def diagonal_one_less(kappa):
    return printed_table(kappa) | {(1, 1): 2 * kappa + 5}


def row_one_less(kappa):
    return printed_table(kappa) | {(1, 0): kappa + 2}


def gaussian_always(kappa):
    return printed_table(3)


PAIRS = [dict(same_a=i, same_b=j) for i, j in itertools.product((0, 1), repeat=2)]


def variables(same_a, same_b):
    return sympy.symbols(["q", "q" if same_a else "q'", "r", "r" if same_b else "r'"])


def mean_of(expression, variables, moments):
    """The mean over independent variables, in symbols: moments maps "q", "r" to [1, m1, ..]."""
    poly = sympy.Poly(expression, *dict.fromkeys(variables))
    total = 0
    for powers, factor in poly.terms():
        for variable, e in zip(poly.gens, powers, strict=True):
            factor *= moments[variable.name[0]][e]
        total += factor
    return total


@check(*PAIRS)
def table_in_symbols(lab, same_a, same_b, table=printed_table, mean=0):
    q, q_, r, r_ = variables(same_a, same_b)
    m3, s, kappa = sympy.symbols("m3 s kappa")
    m = [1, mean, s, m3, kappa * s**2]
    found = mean_of((q + r) ** 2 * (q_ + r_) ** 2, (q, q_, r, r_), {"q": m, "r": m})
    off = found - s**2 * table(kappa)[same_a, same_b]
    yield residue("terms beside the table", off).equals(0)


@check(
    lambda lab: [dict(law=law) for law in lab.pick(smoke=SYMMETRIC[:2], quick=SYMMETRIC + SKEWED)]
)
def table_by_enumeration(lab, law, table=printed_table, centre=0):
    # All values of q, q', r, r'; the square of the unit's value is its derivative by V.
    weights = [w + centre for w in law]
    s, kappa = variance(given(law)), moment(given(law), 4) / variance(given(law)) ** 2
    x = inputs(2, np.array([0, 2, 4, 6]))  # (a, b) = 00, 01, 10, 11 with c = 0
    total, count = 0, 0
    for w in itertools.product(weights, repeat=4):
        slopes = jacobian([list(w)], [[0], [0]], x)
        total, count = total + slopes @ slopes.T, count + 1
    A, B, _ = equal_coordinates(x)
    said = [count * s**2 * table(kappa)[i, j] for i, j in zip(A.ravel(), B.ravel(), strict=True)]
    off = unequal(total.ravel(), said)
    yield row(law=str(law), kappa=kappa, skewness=moment(law, 3), wrong=off)
    yield series(
        "E L_k(x, x) / sigma^4 beside 2 kappa + 6", x=kappa,
        y=Fraction(int(total[0, 0]), count) / s**2, printed=2 * kappa + 6, xlabel="kurtosis",
    )  # fmt: skip
    yield exact("entries beside the table", off).equals(0)


expected_table = Claim(
    id="mohamadi2024/expected-kernel-table",
    source=Source(PAPER, "proof of Proposition B.3", "2407.12332"),
    title="The mean of one unit's share of the eNTK",
    statement=r"With $\mathbb E\,w=0$, $\mathbb E\,w^2=\sigma_W^2$ and $\mathbb E\,w^4="
    r"\kappa_W\sigma_W^4$, $\mathbb E\,L_{\theta_k}(x,x')$ is $\sigma_W^4\,1[c=c']$ times $4$, "
    r"$\kappa_W+3$ or $2\kappa_W+6$ where none, one or both of $a=a'$ and $b=b'$ hold. The third "
    r"moment is of no account.",
    hypotheses=("independent entries of mean zero", "a finite fourth moment"),
    checks=(table_in_symbols, table_by_enumeration),
    controls=(
        table_in_symbols.but(table=diagonal_one_less),
        table_in_symbols.but(table=row_one_less),
        table_in_symbols.but(mean=1),
        table_by_enumeration.but(table=gaussian_always),
        table_by_enumeration.but(table=diagonal_one_less),
        table_by_enumeration.but(centre=1),
    ),
    gap="Proposition B.3 asks for zero skewness, which is not needed (a third moment always meets "
    "a first one). Slips in the text we read: kappa_V where kappa_W is meant, and k in [p] for "
    "k in [h].",
)


# --- lambda_min(E K_theta) >= 4 h sigma^4 on distinct inputs --------------------------------------


def expected_L(x, Q, R):
    """E (q_a + r_b)^2 (q_a' + r_b')^2 1[c=c'] from the moments of any two laws, mean or no mean."""
    A, B, C = equal_coordinates(x)

    def mean(law, power, same):
        """E u_i^k u_j^l: one moment where i = j, a product of two where not."""
        k, l = power
        return same * moment(law, k + l) + (1 - same) * moment(law, k) * moment(law, l)

    total = 0
    for i, j in itertools.product(range(3), repeat=2):
        twos = (2 if i == 1 else 1) * (2 if j == 1 else 1)
        total = total + twos * mean(Q, (i, j), A) * mean(R, (2 - i, 2 - j), B)
    return C * total


def expected_J(x, V, Q, R):
    """E J from the derivatives 2 V_ck (Q_ka + R_kb) by Q_ka and R_kb."""
    A, B, _ = equal_coordinates(x)
    q1, r1 = moment(Q, 1), moment(R, 1)
    qq = A * moment(Q, 2) + (1 - A) * q1**2
    rr = B * moment(R, 2) + (1 - B) * r1**2
    c = np.asarray(x[2])
    return 4 * (V @ V.T)[np.ix_(c, c)] * (A + B) * (qq + 2 * q1 * r1 + rr)


def floor_holds(K, h, s_Q, s_R, constant):
    return is_semidefinite(K - constant * h * s_Q * s_R * np.eye(len(K), dtype=int))


def integers(lab, name, *shape):
    return lab.integers(name, -3, 4, *shape).cpu().numpy().astype(object)


def floor_checks(laws, others, constant=4):
    """Two lines of evidence over laws of Q, R: all weights one by one, and moments alone."""

    @check(lambda lab: [dict(law=law, v=v) for law in lab.pick(smoke=laws[:2], quick=laws)
                        for v in ("zero", "ones", "random")])  # fmt: skip
    def floor_by_enumeration(lab, law, v, least=constant, tied=False):
        # p = 2, two units: E K is the sum over units, each the mean over all of its weights.
        x, K = inputs(2, np.arange(8)), 0
        V = {"zero": 0, "ones": 1}.get(v, integers(lab, "V", 2, 2)) * np.ones((2, 2), dtype=int)
        weights = list(itertools.product(law, repeat=4))
        weights = [w for w in weights if not tied or w[:2] == w[2:]]
        for k in range(2):
            unit = [jacobian([list(w)], V[:, k : k + 1], x) for w in weights]
            K = K + sum(G @ G.T for G in unit)
        off = K - len(weights) * (2 * expected_L(x, law, law) + expected_J(x, V, law, law))
        wrong = unequal(off.ravel(), 0 * off.ravel())
        yield exact("entries of E K beside its moments", wrong).equals(0)
        s = variance(law)
        ratio = np.linalg.eigvalsh(K.astype(float))[0] / float(2 * len(weights) * s**2)
        yield series(
            "least eigenvalue of E K / (h sigma^4)", x=s, y=ratio, printed=4, xlabel="sigma^2",
            log="x",
        )  # fmt: skip
        below = not floor_holds(K, 2 * len(weights), s, s, least)
        yield exact("expected kernels below the floor", int(below)).equals(0)

    @check(p=st.integers(2, 3), h=st.integers(1, 4), Q=st.sampled_from(laws), R=others,
           V=st.sampled_from(["zero", "random"]))  # fmt: skip
    def floor_from_moments(lab, p, h, Q, R, V, least=constant, repeats=False):
        every, R = np.arange(p**3), R or Q
        x = inputs(p, np.append(every, 0) if repeats else every)
        second = integers(lab, "V", p, h) * (V == "random")
        K = h * expected_L(x, Q, R) + expected_J(x, second, Q, R)
        below = not floor_holds(K, h, variance(Q), variance(R), least)
        yield exact("expected kernels below the floor", int(below)).equals(0)

    return floor_by_enumeration, floor_from_moments


# How low the least eigenvalue is, on all inputs, for V = 0 and for V = v times a permutation.


@check(lambda lab: [dict(up_to=lab.pick(smoke=2, quick=3, standard=4))])
def floor_attained(lab, up_to, least=4):
    law = [-1, 0, 1]
    for p in range(2, up_to + 1):
        x, s = inputs(p, np.arange(p**3)), variance(law)
        for h, V in ((1, np.zeros((p, 1), dtype=int)), (p - 1, np.eye(p, dtype=int)[:, : p - 1])):
            K = h * expected_L(x, law, law) + expected_J(x, V.astype(object), law, law)
            unit = np.eye(p**3, dtype=int)
            multiplicity = p**3 - rank_exact(K - least * h * s**2 * unit)
            yield row(p=p, h=h, V="zero" if not V.any() else "one-hot", multiplicity=multiplicity)
            yield exact("multiplicity of 4 h sigma^4 in E K", multiplicity).at_least((p - 1) ** 2)


_checks = floor_checks(SYMMETRIC, st.none())
expected_floor = Claim(
    id="mohamadi2024/expected-kernel-floor",
    source=Source(PAPER, "Proposition B.3", "2407.12332"),
    title="The expected eNTK is positive definite",
    statement=r"On distinct inputs $\lambda_{\min}(\mathbb E\,\mathbf K_\theta)\ge "
    r"4h\sigma_W^4$ for every $V$ and $h\ge 1$; with equality on all $p^3$ inputs at $V=0$.",
    hypotheses=(
        r"$W$ has independent entries of mean and skewness zero and variance $\sigma_W^2>0$",
        "V is fixed",
        "the inputs are distinct",
    ),
    checks=(*_checks, floor_attained),
    controls=(
        *(c.but(least=Fraction(41, 10)) for c in (*_checks, floor_attained)),
        _checks[0].but(tied=True),
        _checks[1].but(repeats=True),
    ),
    uses=("mohamadi2024/expected-kernel-table",),
    gap="Exact for the listed laws at p = 2 and 3 and random whole V; any set of distinct inputs "
    "inherits the bound from all inputs.",
)

# In general (Q + R)^2 = u(Q, R) + 2 (Q - EQ)(R - ER) where u is a sum of functions of Q and of R.
# The last term is uncorrelated with u: E L = E u u' + 4 var Q var R I, for every law and every p.


@check(*PAIRS)
def decomposition(lab, same_a, same_b, centred=1, least=4):
    q, q_, r, r_ = variables(same_a, same_b)
    m, n = (sympy.symbols(f"{name}1:5") for name in "mn")

    def u(q, r):
        return (q + r) ** 2 - 2 * (q - centred * m[0]) * (r - centred * n[0])

    moments, over = {"q": [1, *m], "r": [1, *n]}, (q, q_, r, r_)
    whole = mean_of((q + r) ** 2 * (q_ + r_) ** 2, over, moments)
    rest = mean_of(u(q, r) * u(q_, r_), over, moments)
    spread = (m[1] - m[0] ** 2) * (n[1] - n[0] ** 2)
    off = whole - rest - least * same_a * same_b * spread
    yield residue("terms beside 4 var Q var R", off).equals(0)


_checks = floor_checks(SKEWED + SHIFTED, st.sampled_from(SKEWED + SHIFTED))
floor_without_moments = Claim(
    id="mohamadi2024/expected-kernel-floor-any-law",
    source=Source(PAPER, "sharpens Proposition B.3", "2407.12332"),
    origin="ours",
    title="The floor of the expected eNTK needs a variance only",
    statement=r"If the entries of $Q$ are independent copies of one variable and those of $R$ of "
    r"another, with variances $\sigma_Q^2$, $\sigma_R^2$ and finite fourth moments, then on "
    r"distinct inputs $\lambda_{\min}(\mathbb E\,\mathbf K_\theta)\ge 4h\sigma_Q^2\sigma_R^2$, "
    r"whatever the means, the skewness and $V$.",
    hypotheses=("independent entries", "the inputs are distinct"),
    checks=(decomposition, *_checks),
    controls=(
        decomposition.but(centred=0),
        *(c.but(least=Fraction(41, 10)) for c in (decomposition, *_checks)),
        _checks[0].but(tied=True),
        _checks[1].but(repeats=True),
    ),
    sharpens=("mohamadi2024/expected-kernel-floor",),
    uses=("mohamadi2024/expected-kernel-floor",),
    gap="The decomposition is checked in symbols for every law; that E u u' and E J are positive "
    "semi-definite, as second moments, is not. Whole kernels are exact for the listed skewed and "
    "shifted laws at p = 2 and 3.",
)
