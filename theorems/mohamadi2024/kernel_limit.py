"""The eNTK of infinite width in closed form (Mohamadi et al. 2024, Appendix B, Proposition B.3).

Independent weights of mean zero, E w^2 = s and E w^4 = kappa s^2 in W, E v^2 = t in V. K_theta is
a sum over h independent hidden units, so that K_theta / h tends to the mean of one unit,

    K(x, x') = 1[c=c'] ( 4 s^2 + m (1[a=a'] + 1[b=b']) + (4 s^2 + 8 s t) 1[a=a', b=b'] ),
    m = (kappa - 1) s^2 + 4 s t.

The first layer's share is E L_k of the proposition (its table has 4 s^2, (kappa + 3) s^2 and
(2 kappa + 6) s^2); the rest is E J_k = 4 s t (1[a=a'] + 1[b=b'])^2 1[c=c'].
An entry involves at most two values of each coordinate: p = 2 stands for every p.
"""

import itertools
from fractions import Fraction

import numpy as np
import torch

from grokverify import Claim, Source, approx, check, exact, row, series
from grokverify.groups import differing
from grokverify.kernels import entk_limit, inputs, jacobian
from grokverify.linalg.exact import rank_exact
from grokverify.nets import quadratic

PAPER = "Mohamadi et al., Why Do You Grok?"


def moments(law):
    """s and kappa of a uniform choice from the listed values."""
    s = Fraction(sum(w**2 for w in law), len(law))
    return s, Fraction(sum(w**4 for w in law), len(law)) / s**2


def closed_form(x, s, t, kappa, both=4):
    a, b, c = (np.asarray(part) for part in x)
    A, B, C = ((u[:, None] == u[None, :]).astype(int) for u in (a, b, c))
    mixed = (kappa - 1) * s**2 + 4 * s * t
    return C * (4 * s**2 + mixed * (A + B) + (both * s**2 + 8 * s * t) * A * B)


LAWS = [[-1, 1], [-2, 1, 1], [-1, 0, 0, 1], [-3, 1, 2], [-2, -1, 1, 2]]  # some of them are skewed


@check(lambda lab: [dict(law=law, v=v) for law in LAWS for v in lab.pick(smoke=(1,), quick=(1, 3))])
def mean_over_all_weights(lab, law, v, both=4, centre=0):
    # One unit at p = 2: the mean over every choice of its weights from the law, V from {-v, v}.
    x = inputs(2, np.arange(8))
    total, count = 0, 0
    for w in itertools.product([value + centre for value in law], repeat=4):
        for second in itertools.product((-v, v), repeat=2):
            G = jacobian([list(w)], [[u] for u in second], x)
            total, count = total + G @ G.T, count + 1
    s, kappa = moments(law)
    off = differing((total,), (count * closed_form(x, s, v * v, kappa, both),))
    yield exact("entries that differ from the closed form", off).equals(0)


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 3), quick=(2, 3, 5), standard=(5, 7))])
def spectrum(lab, p, double=2):
    # Multiplicities by exact ranks of K - lambda on the p^2 inputs with one c.
    s, t, kappa = Fraction(2, 3), Fraction(1, 5), Fraction(9, 5)
    x = inputs(p, p * np.arange(p * p))
    K = closed_form(x, s, t, kappa)
    mixed, g = (kappa - 1) * s**2 + 4 * s * t, 4 * s**2 + 8 * s * t
    expected = {
        g: (p - 1) ** 2,
        g + p * mixed: 2 * (p - 1),
        g + double * p * mixed + 4 * p**2 * s**2: 1,
    }
    unit = np.eye(p * p, dtype=int)
    for value, multiplicity in expected.items():
        found = p * p - rank_exact(K - value * unit)
        yield exact("multiplicity less the expected one", found - multiplicity).equals(0)
    yield row(p=p, least=str(g), middle=str(g + p * mixed))
    yield series(
        "least eigenvalue of K on one c, beside its share 4 s^2 from Proposition B.3", x=p, y=g,
        printed=4 * s**2, xlabel="p", ylabel="lambda_min(K)",
    )  # fmt: skip


@check(lambda lab: [dict(p=3, units=n) for n in lab.pick(smoke=(20000,), quick=(5000, 20000))])
def wide_networks(lab, p, units, kurtosis=1.8):
    # Uniform W, V = signs / 4: the mean over units of the kernel of one unit, by derivatives,
    # against entk_limit in units of its own standard error, entry by entry.
    a, b, c = x = tuple(
        torch.as_tensor(part, device=lab.device) for part in inputs(p, np.arange(p**3))
    )
    W, V = lab.uniform("W", units, 1, 2 * p), lab.signs("V", units, p, 1) / 4
    rows = torch.arange(p**3, device=W.device)

    def kernel(W, V):
        slopes = torch.func.jacrev(lambda W, V: quadratic(W, V, a, b)[rows, c], (0, 1))(W, V)
        G = torch.cat([slope.flatten(1) for slope in slopes], dim=1)
        return G @ G.mT

    each = torch.cat(
        [torch.func.vmap(kernel)(W[i : i + 1000], V[i : i + 1000]) for i in range(0, units, 1000)]
    )
    limit = entk_limit(x, variance_W=1 / 3, variance_V=1 / 16, kurtosis=kurtosis).to(each)
    off = (each.mean(0) - limit).abs()
    # An entry that vanishes for every network has error 0: 0 / 0 counts as 0, x / 0 as large.
    wrong = (off / (each.std(0) / units**0.5)).nan_to_num(nan=0.0)
    yield approx("largest deviation in standard errors", wrong.max(), 1e-6).at_most(6)
    yield series(
        "largest deviation of K_theta / h from its limit", x=units, y=off.max(), xlabel="h",
        ylabel="largest entry of K_theta / h - K", log="xy",
    )  # fmt: skip


@check(lambda lab: [dict(p=p) for p in lab.pick(smoke=(2, 3), quick=(2, 3, 5))])
def library_form(lab, p, kurtosis=Fraction(9, 5), second=Fraction(1, 5)):
    # What the library computes in floats, against the fractions that were enumerated above.
    x, s, t, kappa = inputs(p, np.arange(p**3)), Fraction(2, 3), Fraction(1, 5), Fraction(9, 5)
    said = entk_limit(
        tuple(torch.as_tensor(part) for part in x),
        variance_W=float(s), variance_V=float(second), kurtosis=float(kurtosis),
    )  # fmt: skip
    off = said.double().cpu().numpy() - closed_form(x, s, t, kappa).astype(float)
    yield approx("entk_limit off the closed form", np.abs(off).max()).at_most(1e-12)


infinite_width_kernel = Claim(
    id="mohamadi2024/infinite-width-kernel",
    title="The eNTK of infinite width",
    source=Source(PAPER, "extends Proposition B.3", "2407.12332"),
    origin="ours",
    statement=r"For independent weights of mean zero with variances $s$ of $W$ and $t$ of $V$ and "
    r"$\mathbb{E}\, w^4 = \kappa s^2$, $K_\theta / h$ tends almost surely to "
    r"$1[c=c']\,\bigl(4s^2 + m\,(1[a=a'] + 1[b=b']) + (4s^2 + 8st)\,1[a=a', b=b']\bigr)$, "
    r"$m = (\kappa-1)s^2 + 4st$. On the inputs with one $c$ it has the eigenvalues $4s^2 + 8st$, "
    r"$4s^2 + 8st + pm$ and $4s^2 + 8st + 2pm + 4p^2s^2$, of multiplicities $(p-1)^2$, $2(p-1)$ "
    r"and $1$. No symmetry of the law is needed.",
    hypotheses=(
        r"the entries of $W$ and $V$ are independent with mean zero, those of a layer have one law",
        r"$\mathbb{E}\, w^4 < \infty$",
    ),
    assumes=("The strong law of large numbers",),
    checks=(
        mean_over_all_weights.part("the mean kernel"),
        spectrum.part("its spectrum"),
        wide_networks.part("the mean kernel"),
        library_form.part("the mean kernel"),
    ),
    controls=(
        mean_over_all_weights.but(both=3),
        mean_over_all_weights.but(centre=1),
        spectrum.but(double=1),
        wide_networks.but(kurtosis=3.0),
        library_form.but(kurtosis=Fraction(182, 100)),
        library_form.but(second=Fraction(202, 1000)),
    ),
    gap="The mean is exact for the listed laws; both sides are linear in kappa s^2, s^2 and s t, "
    "so that these laws determine the coefficients: an argument that is not itself checked. The "
    "spectrum is exact at one choice of s, t and kappa for each p.",
)
