"""Lyu et al., Appendix F: landscape of matrix completion (F.1 to F.3) and subgradients (F.4).

Cost: about a second; symbols for d = 2, rational arithmetic and small optimisations.
"""

import itertools

import numpy as np
import scipy.optimize
import sympy as sp

from grokverify import Claim, Source, approx, check, row, series
from grokverify.completion import minimum_nuclear_norm, sampled
from grokverify.symbolic import residue

PAPER = "Lyu et al., Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking"

# L(U, V) = 1/n sum_k (<P_k, U U' - V V'> - y_k)^2 + lambda/2 (|U|^2 + |V|^2),
# M = 4/n sum_k (<P_k, W> - y_k) P_k, so that (45), (46): (M + lambda) U = 0 = (lambda - M) V at a
# critical point. If U a = V c = 0, the second derivative along E_U = b a', E_V = e c' is
#      |a|^2 b'(M + lambda) b + |c|^2 e'(lambda - M) e,
# since U E_U' = 0 = V E_V'. So a critical point without negative curvature has |M|_op <= lambda,
# which with (45), (46) is the optimality condition of the convex problem (42).


@check()
def curvature(lab, decay=1, sign=1):
    """(50) with d = 2, one diagonal and one off-diagonal entry, everything symbolic."""
    u, v, a, b, c, e = (sp.symbols(f"{x}1:3") for x in "uvabce")
    y1, y2, lam, t = sp.symbols("y1 y2 lambda t")
    # rank one factors whose second column is fixed by U a = 0, V c = 0
    U = sp.Matrix([[u[0] * a[1], -u[0] * a[0]], [u[1] * a[1], -u[1] * a[0]]])
    V = sp.Matrix([[v[0] * c[1], -v[0] * c[0]], [v[1] * c[1], -v[1] * c[0]]])
    EU = sp.Matrix(2, 2, lambda i, j: b[i] * a[j])
    EV = sp.Matrix(2, 2, lambda i, j: e[i] * c[j])

    def loss(A, B):
        W = A * A.T - B * B.T
        decayed = sum(x**2 for x in A) + sum(x**2 for x in B)
        return ((W[0, 0] - y1) ** 2 + (W[0, 1] - y2) ** 2) / 2 + lam / 2 * decayed

    second = sp.Poly(sp.expand(loss(U + t * EU, V + t * EV)), t).coeff_monomial(t**2) * 2
    W = U * U.T - V * V.T
    M = 2 * sp.Matrix([[W[0, 0] - y1, (W[0, 1] - y2) / 2], [(W[0, 1] - y2) / 2, 0]])
    one, B, E = decay * lam * sp.eye(2), sp.Matrix(b), sp.Matrix(e)
    claimed = (a[0] ** 2 + a[1] ** 2) * (B.T * (M + one) * B)[0]
    claimed += (c[0] ** 2 + c[1] ** 2) * (E.T * (one - sign * M) * E)[0]
    yield residue("terms of (50) along b a' and e c'", second - claimed).equals(0)


def instance(lab, d=5, n=14):
    A = lab.normal("factor", d, 2).cpu().numpy()
    X = np.outer(A[:, 0], A[:, 0]) - np.outer(A[:, 1], A[:, 1])
    return sampled(X / np.abs(X).max(), lab.subset("cells", d * d, n).cpu())


def worlds(lab):
    return [dict(sample=s) for s in range(lab.pick(smoke=2, quick=5, standard=20))]


@check(worlds)
def local_minima(lab, sample, lam=0.05, penalty=1.0):
    """Descent from random starts, each against the certified minimum of the convex problem."""
    problem, d = instance(lab), 5
    found = minimum_nuclear_norm(problem, lam * penalty, gap=1e-12)

    def objective(theta):
        U, V = theta.reshape(2, d, d)
        W = U @ U.T - V @ V.T
        G = problem.gradient(W)
        slope = np.concatenate([2 * G @ U, -2 * G @ V]).ravel() + lam * theta
        return problem.loss(W) + lam / 2 * theta @ theta, slope

    options = dict(maxiter=5000, maxfun=10000, ftol=1e-16, gtol=1e-10)
    values = []
    for k in range(lab.pick(smoke=4, quick=10)):
        start = lab.normal(f"start{k}", 2 * d * d).cpu().numpy()
        run = scipy.optimize.minimize(
            objective, start, jac=True, method="L-BFGS-B", options=options
        )
        values.append(run.fun / found.upper - 1)
    if sample == 0:
        yield series(
            "local minima found by descent",
            x=list(range(len(values))),
            y=[max(v, 0.0) for v in values],
            xlabel="start",
            ylabel="L over the global minimum, minus 1",
        )
    yield row(sample=sample, starts=len(values), worst=max(values))
    yield approx("largest |L / global minimum - 1|", max(map(abs, values))).at_most(1e-6)


@check(worlds)
def saddles(lab, sample, keep=0, lowered=1.0):
    """All critical points where everything is observed.

    U U' and V V' keep some of the eigenvectors of X* with eigenvalues above t = n lambda / 4 in
    size, lowered by t. Each such point that misses one of these is a saddle.
    """
    d, size, lam = 4, 16, 0.05
    values = np.array([2.0, 1.0, -1.5, 0.01 * (1 + sample)])
    Q = np.linalg.qr(lab.normal("basis", d, d).cpu().numpy())[0]
    X = (Q * values) @ Q.T
    problem, t = sampled(X, range(size)), lowered * size * lam / 4
    missing = least = 0
    for chosen in itertools.product((0, 1), repeat=3):
        kept = np.array([*chosen, 0]) * np.sign(values) * np.maximum(np.abs(values) - t, 0)
        W = (Q * kept) @ Q.T
        M = 2 * problem.gradient(W)
        U = Q * np.sqrt(np.maximum(kept, 0))
        V = Q * np.sqrt(np.maximum(-kept, 0))
        still = max(
            np.abs((M + lam * np.eye(d)) @ U).max(), np.abs((lam * np.eye(d) - M) @ V).max()
        )
        yield approx("gradient at the critical point", still).at_most(1e-12)
        curve = lam - np.abs(np.linalg.eigvalsh(M)).max()  # least curvature over b or e
        if not all(chosen) or keep:
            missing += 1
            least = max(least, curve) if missing > 1 else curve
    yield row(sample=sample, points_that_miss_some=missing, flattest=least)
    yield approx("largest least curvature of a saddle", least).at_most(-1e-3)


landscape = Claim(
    id="lyu2024/completion-landscape",
    source=Source(PAPER, "Properties F.1, F.2 and Theorem F.3", "2311.18817"),
    title="Local minima of matrix completion are global, and saddles are strict",
    statement=(
        r"Every local minimum of (5) over $U, V \in \mathbb{R}^{d \times d}$ is global, and at "
        r"every other critical point the Hessian has a direction of negative curvature."
    ),
    checks=(curvature.part("the second derivative (50)"), local_minima, saddles.part("saddles")),
    controls=(
        curvature.but(decay=2),
        curvature.but(sign=-1),
        local_minima.but(penalty=1.01),
        saddles.but(keep=1),
        saddles.but(lowered=1.01),
    ),
    gap=(
        "The step from |M| <= lambda to the optimality of (42) is argued in words. Critical points "
        "are listed for one spectrum where everything is observed; the descents have d = 5."
    ),
)


# Lemma F.4 (Watson): for A = L S R' with positive S, the subgradients of |A|_* are L R' + E with
# |E|_op <= 1, L'E = 0, E R = 0.  G is one iff <G, A> = |A|_* and |G|_op <= 1 (duality of norms).


def shapes(lab):
    return [dict(d=d, rank=r) for d, r in lab.pick(smoke=((4, 2),), quick=((4, 2), (7, 3)))]


def parts(lab, d, rank):
    """Orthogonal L and R, and the positive singular values of a random A."""
    L = np.linalg.qr(lab.normal("left", d, d).cpu().numpy())[0]
    R = np.linalg.qr(lab.normal("right", d, d).cpu().numpy())[0]
    s = 0.2 + lab.uniform("values", rank, low=0.0).cpu().numpy()
    return L, s, R


@check(shapes)
def sufficient(lab, d, rank, size=1.0, orthogonal=True):
    """The inequality |B|_* >= |A|_* + <G, B - A> for many B and E on the boundary |E|_op = 1."""
    L, s, R = parts(lab, d, rank)
    A = L[:, :rank] * s @ R[:, :rank].T
    worst = np.inf
    for k in range(lab.pick(smoke=40, quick=200)):
        E = np.linalg.qr(lab.normal(f"E{k}", d - rank, d - rank).cpu().numpy())[0] * size
        keep = slice(rank, None) if orthogonal else slice(0, d - rank)
        G = L[:, :rank] @ R[:, :rank].T + L[:, keep] @ E @ R[:, keep].T
        H = lab.normal(f"H{k}", d, d).cpu().numpy() * 10.0 ** (k % 4 - 2)
        if k % 2:
            H = L[:, keep] @ E @ R[:, keep].T + 1e-3 * H
        slack = np.linalg.norm(A + H, "nuc") - np.linalg.norm(A, "nuc") - (G * H).sum()
        worst = min(worst, slack / np.linalg.norm(H))
    yield row(d=d, rank=rank, least_slack=worst)
    yield approx("least slack of the subgradient inequality", worst).at_least(-1e-9)


@check(shapes)
def necessary(lab, d, rank, reduced=True):
    """Limits of gradients at A + small H are subgradients: each must have the stated form.

    With a full SVD for the reduced one (``reduced`` off) L'E = 0 leaves E = 0 only.
    """
    L, s, R = parts(lab, d, rank)
    A = L[:, :rank] * s @ R[:, :rank].T
    columns = rank if reduced else d
    form = top = 0.0
    for k in range(lab.pick(smoke=10, quick=50)):
        H = lab.normal(f"H{k}", d, d).cpu().numpy()
        P, _, Qt = np.linalg.svd(A + 1e-7 * H)
        E = P @ Qt - L[:, :columns] @ R[:, :columns].T  # gradient of |.|_* at full rank
        form = max(form, np.abs(L[:, :columns].T @ E).max(), np.abs(E @ R[:, :columns]).max())
        top = max(top, np.linalg.norm(E, 2))
    yield row(d=d, rank=rank, defect=form, spectral_norm=top)
    yield approx("|L'E| and |E R|", form).at_most(1e-5)
    yield approx("|E|_op", top).at_most(1 + 1e-5)


subgradients = Claim(
    id="lyu2024/nuclear-subgradients",
    source=Source(PAPER, "Lemma F.4 (Watson 1992)", "2311.18817"),
    title="Subgradients of the nuclear norm",
    statement=(
        r"For the reduced singular value decomposition $A = L \Sigma R^\top$: $\partial \lVert A "
        r"\rVert_* = \{L R^\top + E : \lVert E \rVert \le 1, L^\top E = 0, E R = 0\}$."
    ),
    checks=(sufficient.part("these are subgradients"), necessary.part("there are no others")),
    controls=(
        sufficient.but(size=1.1),
        sufficient.but(orthogonal=False),
        necessary.but(reduced=False),
    ),
    gap=(
        "Sampled at random matrices; the subdifferential is the hull of the limits of gradients, "
        "which is used for necessity. The text says SVD; it has to be the reduced one, as it is "
        "where the lemma is used."
    ),
)
