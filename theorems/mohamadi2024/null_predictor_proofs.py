"""Steps of Appendix D that are false as printed, each beside what holds (Mohamadi et al. 2024).

(D.13): E <Psi, v>^2 = (1/p)(p/(p-1))^(m-1) for unit v orthogonal to the slices, by Lemma D.11.
(D.8):  (P'-P) S (P'-P) <= (I-P) S (I-P) in Loewner order, for projectors on spaces V < V'.
After (D.2): n <= (1 - eps) p^m leaves a loss of order p^(m-1), for every p.
None of them reaches a theorem: D.9 needs an upper bound, D.6 the largest eigenvalues alone, and the
bound (D.2) itself says nothing where p is small beside 1/eps.
Cost: enumerations of a few hundred relabellings; small integer matrices.
"""

import itertools
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.linalg.exact import rank_exact
from grokverify.linalg.rational import is_semidefinite
from grokverify.orbits import pair_moments, second_moment, spectrum, sums_to_zero, symmetric, tail
from grokverify.worked import given, unequal
from theorems.mohamadi2024.null_predictor_errata import (
    PAPER,
    all_slots,
    off_slices,
    pair_formula,
    sizes,
    two,
    zero_lines,
)
from theorems.mohamadi2024.null_predictor_lemmas import top_value

# --- (D.13) --------------------------------------------------------------------------------------


def forms(vector_of):
    @check(sizes(((2, 3), (3, 3)), ((2, 3), (3, 3), (2, 4), (4, 3), (2, 5), (3, 4))))
    def by_enumeration(lab, p, m, vector=vector_of, power=1):
        Sigma = second_moment(sums_to_zero(p, m), symmetric(p))
        v = given(vector(lab, p, m))
        form = v @ Sigma.sums @ v / (Sigma.order * (v @ v))
        said = Fraction(p, p - 1) ** (m - power) / p
        yield row(p=p, m=m, form=form, printed=said)
        yield series(
            f"E <Psi, v>^2 off the slices, m = {m}", x=p, y=form, printed=said, xlabel="p",
            beside="(D.13)",
        )  # fmt: skip
        yield exact("E <Psi, v>^2, less (D.13)", form - said).equals(0)

    return by_enumeration


def degrees(least_of):
    @check(sizes(((2, 3), (5, 4)), tuple((p, m) for m in (2, 3, 4, 5) for p in (2, 3, 5, 7, 11))))
    def by_spectrum(lab, p, m, least=least_of, power=1):
        """Off the slices are the degrees from 2 on, with vanishing line sums the degree m alone."""
        spaces = [s for s in spectrum(pair_moments(p, m), p) if s.degree >= least(m)]
        said = top_value(p, m) * Fraction(p, p - 1) ** (1 - power)
        wrong = unequal([s.value for s in spaces], [said] * len(spaces))
        yield exact("eigenvalues other than (D.13)", wrong).equals(0)

    return by_spectrum


_form, _degrees = forms(off_slices), degrees(two)
equality_printed = Claim(
    id="mohamadi2024/orbit-form-equality-printed",
    source=Source(PAPER, "(D.13)", "2407.12332"),
    title="The quadratic form takes one value off the slices",
    statement=r"Every unit $v \perp V_s$ has $\mathbb{E} \langle \Psi_\sigma, v \rangle^2 = "
    r"\frac{1}{p} (1 + \frac{1}{p-1})^{m-1}$.",
    checks=(_form, _degrees),
    controls=(
        _form.but(vector=zero_lines).must_hold(),
        _degrees.but(least=all_slots).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S2",
    gap="Severity: step of a proof. False from m = 3 on, where the form may vanish; the bound of "
    "Lemma D.9, which it proves, holds.",
)

_form, _degrees = forms(zero_lines), degrees(all_slots)
equality = Claim(
    id="mohamadi2024/orbit-form-equality",
    source=Source(PAPER, "(D.13), corrected", "2407.12332"),
    title="The quadratic form on vanishing line sums",
    statement=r"Every unit $v$ whose sum along each line of $[p]^m$ vanishes has $\mathbb{E} "
    r"\langle \Psi_\sigma, v \rangle^2 = \frac{1}{p} (1 + \frac{1}{p-1})^{m-1}$.",
    checks=(_form, _degrees),
    controls=(
        _form.but(vector=off_slices),
        _form.but(power=2),
        _degrees.but(least=two),
        _degrees.but(power=2),
    ),
    corrects=("mohamadi2024/orbit-form-equality-printed",),
    uses=("mohamadi2024/pair-sums-zero-lines", "mohamadi2024/pair-moments"),
    gap="Exact for the listed p and m, one random tensor each.",
)

# --- (D.8), with P = 0 and P' of rank one or two, in whole numbers --------------------------------


def in_order(A, B):
    return is_semidefinite(B - A)


def largest(A, B):
    """l_1(A) <= l_1(B): as A has rank one, t = l_1(A) = max(0, tr A); t I - B is not definite."""
    t = max(0, int(np.trace(A)))
    rest = t * np.eye(len(B), dtype=int) - B
    return not (is_semidefinite(rest) and rank_exact(rest) == len(B))


def least_eigenvalues(A, B):
    return np.linalg.eigvalsh(B - A)[0]


def largest_eigenvalues(A, B):
    return np.linalg.eigvalsh(B)[-1] - np.linalg.eigvalsh(A)[-1]


def small_matrices(lab):
    """Semi-definite [[x, y], [y, z]] with entries up to 2, small ones first."""
    every = itertools.product(range(3), range(-2, 3), range(3))
    kept = [w for w in every if w[0] * w[2] >= w[1] ** 2]
    return [dict(x=x, y=y, z=z) for x, y, z in sorted(kept, key=lambda w: sum(map(abs, w)))]


def orders(exactly, in_floats):
    @check(small_matrices)
    def small_projectors(lab, x, y, z, rule=exactly, definite=True):
        S = np.array([[x, y], [y, z]]) if definite else np.array([[-x, y], [y, -z - 1]])
        wrong = 0
        for u in ([1, 0], [0, 1], [1, 1], [1, -1]):  # P' projects on u
            P = np.outer(u, u) * (2 // int(np.dot(u, u)))  # twice the projector
            wrong += not rule(P @ S @ P, 4 * S)
        yield exact("projectors that break the step", wrong).equals(0)

    @check(lambda lab: [dict(d=d) for d in (2, 3, 5, 8)])
    def random_projectors(lab, d, rule=in_floats, definite=True):
        slack = []
        for trial in range(lab.pick(smoke=20, quick=60)):
            here = lab.at(trial)
            B = here.normal("B", d, d).cpu().double().numpy()
            S = B @ B.T if definite else -B @ B.T
            Q = np.linalg.qr(here.normal("V", d, d).cpu().double().numpy())[0]
            k = int(here.integers("dim V", 0, d, 1))
            more = k + 1 + int(here.integers("dim V'", 0, d - k, 1))
            step = Q[:, k:more] @ Q[:, k:more].T
            rest = np.eye(d) - Q[:, :k] @ Q[:, :k].T
            slack.append(float(rule(step @ S @ step, rest @ S @ rest)))
        yield row(d=d, least_slack=min(slack))
        yield series("least slack of (D.8)", x=d, y=min(slack), xlabel="d")
        yield approx("slack of the step", min(slack), 1e-10).at_least(-1e-8)

    return small_projectors, random_projectors


_small, _random = orders(in_order, least_eigenvalues)
step_printed = Claim(
    id="mohamadi2024/compressions-in-order",
    source=Source(PAPER, "(D.8), proof of Lemma D.6", "2407.12332"),
    title="Compressions to nested spaces are in Loewner order",
    statement=r"For positive semidefinite $\Sigma$ and projectors $P$, $P'$ on $V \subseteq V'$, "
    r"$(P' - P) \Sigma (P' - P) \preceq (I - P) \Sigma (I - P)$.",
    checks=(_small, _random),
    controls=(
        _small.but(rule=largest).must_hold(),
        _random.but(rule=largest_eigenvalues).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S2",
    gap="Severity: step of a proof. Lemma D.6 needs the largest eigenvalues only, and they obey.",
)

_small, _random = orders(largest, largest_eigenvalues)
step = Claim(
    id="mohamadi2024/compressions-largest-eigenvalue",
    source=Source(PAPER, "(D.8), proof of Lemma D.6, corrected", "2407.12332"),
    title="The largest eigenvalues of compressions to nested spaces",
    statement=r"For positive semidefinite $\Sigma$ and projectors $P$, $P'$ on $V \subseteq V'$, "
    r"$\lambda_1((P' - P) \Sigma (P' - P)) \le \lambda_1((I - P) \Sigma (I - P))$.",
    checks=(_small, _random),
    controls=(
        _small.but(rule=in_order),
        _small.but(definite=False),
        _random.but(rule=least_eigenvalues),
    ),
    corrects=("mohamadi2024/compressions-in-order",),
    gap="All small 2 x 2 matrices against P = 0; random ones in floats.",
)

# --- after (D.2):  n <= (1 - eps) p^m  =>  loss >= c p^(m-1) --------------------------------------


def every_p(m, eps):
    return 2


def large_p(m, eps):
    return -(-2 * m * eps.denominator // eps.numerator)


def a_third(m, eps):
    return -(-2 * m * eps.denominator // (3 * eps.numerator))


EPS = [dict(eps=e, m=m) for e in ("1/2", "1/4", "1/10") for m in (2, 3, 4)]


def remarks(start_of):
    @check(*EPS)
    def least_loss(lab, eps, m, start=start_of, up_to=12):
        """The least loss of any n functions over (eps/2) p^(m-1), over a range of p, exactly."""
        e = Fraction(eps)
        first, ratios = start(m, e), {}
        for p in range(first, first + up_to):
            n = int((1 - e) * p**m)
            moments = [pair_formula(p, d) for d in range(m + 1)]  # Lemma D.10, checked there
            ratios[p] = tail(spectrum(moments, p), n) / (e / 2 * p ** (m - 1))
        worst = min(ratios, key=ratios.get)
        yield row(eps=eps, m=m, p=worst, least=float(ratios[worst]))
        yield exact("least loss over (eps/2) p^(m-1)", ratios[worst]).at_least(1)

    # The closed form of the least loss, at p where pairs of symbols are too many to go through.
    @check(*EPS)
    def closed_form(lab, eps, m, start=start_of):
        e = Fraction(eps)
        first = start(m, e)
        for p in (first, first + 1, first + 7, 10 * first, 1000 * first):
            n = int((1 - e) * p**m)
            q = given(p)
            loss = q * (q - 1) - q * (n - 1) / (q - 1) ** (m - 1) if n else q**2
            share = max(loss, 0 * q) / q**2 / (e / 2)
            yield series(
                f"least loss over (eps/2) p^(m-1), m = {m}, eps = {eps}", x=p, y=share, printed=1,
                xlabel="p", log="x",
            )  # fmt: skip
            yield exact("the same in closed form", share).at_least(1)

    return least_loss, closed_form


_least, _closed = remarks(every_p)
remark_printed = Claim(
    id="mohamadi2024/constant-share-every-p",
    source=Source(PAPER, "after (D.2), Theorem D.2, Corollary D.8", "2407.12332"),
    title="A share of all inputs leaves a share of the null loss, at every p",
    statement=r"For every $\varepsilon > 0$ there is $c > 0$ (here $\frac{\varepsilon}{2}$) such "
    r"that for all $p \ge 2$ and $n \le (1 - \varepsilon) p^m$ the loss is at least $c\, p^{m-1}$.",
    checks=(_least, _closed),
    controls=(_least.but(start=large_p).must_hold(), _closed.but(start=large_p).must_hold()),
    expect=Verdict.REFUTED,
    severity="S3",
    gap="Severity: slip of a remark, if its Omegas are read for every p, as Section 2 defines "
    "them. At a small p the loss is zero from n = 1 + (p-1)^m on, so that no other c helps.",
)

_least, _closed = remarks(large_p)
remark = Claim(
    id="mohamadi2024/constant-share-large-p",
    source=Source(PAPER, "after (D.2), Theorem D.2, Corollary D.8, corrected", "2407.12332"),
    title="A share of all inputs leaves a share of the null loss, at large p",
    statement=r"For $p \ge \frac{2m}{\varepsilon}$ and $n \le (1 - \varepsilon) p^m$ the loss is "
    r"at least $\frac{\varepsilon}{2} p^{m-1}$.",
    assumes=("Ky Fan's maximum principle",),
    checks=(_least, _closed),
    controls=(
        _least.but(start=every_p),
        _least.but(start=a_third),
        _closed.but(start=a_third),
    ),
    corrects=("mohamadi2024/constant-share-every-p",),
    uses=("mohamadi2024/any-slots-sharp",),
    gap="Exact at the listed eps and m, twelve p from the threshold on, and a few larger ones.",
)
