"""Kumar et al., Figure 15, Section 15.2: what a Hermite target of degree 3 or 4 is.

Cost: moments of polynomials in one variable.
"""

from math import factorial

import scipy.special as special
import sympy as sp
import torch

from grokverify import Claim, Source, approx, check, row
from grokverify.quadrature import gauss_hermite
from grokverify.symbolic import gaussian_mean, residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
Z, V = sp.Symbol("z"), sp.Symbol("v", positive=True)

# The target is H_k(b . x) with b . x ~ N(0, v), v = |b|^2/D. Two polynomials go by the name:
#     He_{k+1} = z He_k - k He_{k-1}        (probabilists', He_3 = z^3 - 3 z)
#     H_{k+1}  = 2 z H_k - 2 k H_{k-1}      (physicists',   H_3 = 8 z^3 - 12 z)
# With v symbolic, the part of degree k - 2 is
#     E He_k g = k! v^(k-2) (v - 1)/2,      E H_k g = 2^(k-1) k! v^(k-2) (v - 1/2),
# g being the monic polynomial of degree k - 2 orthogonal to all lower ones under N(0, v).
NORMAL = {"probabilists": 1, "physicists": sp.Rational(1, 2)}  # the v at which the part is 0


def hermite(k, kind):
    """By the three-term recurrence."""
    twice = 1 if kind == "probabilists" else 2
    before, now = sp.Integer(1), twice * Z
    for j in range(1, k):
        before, now = now, sp.expand(twice * (Z * now - j * before))
    return now


def lower(k, kind, v):
    """The moments E z^j H_k, j < k: all 0 iff nothing of a degree below k is in the target."""
    return [gaussian_mean(sp.expand(Z**j * hermite(k, kind)), [Z], v) for j in range(k)]


def orthogonal(k):
    """Monic, of degree k, orthogonal to the lower powers under N(0, v)."""
    powers = range(k)
    A = sp.Matrix(k, k, lambda i, j: gaussian_mean(Z ** (i + j), [Z], V))
    b = sp.Matrix(k, 1, lambda i, _: gaussian_mean(Z ** (i + k), [Z], V))
    own = A.LUsolve(b) if k else sp.zeros(0, 1)
    return sp.expand(Z**k - sum((own[i] * Z**i for i in powers), sp.Integer(0)))


cases = [dict(k=k, kind=kind) for k in (3, 4, 5, 6) for kind in NORMAL]


@check(*cases)
def at_its_norm(lab, k, kind, off=1):
    """No lower degree at the variance that belongs to the convention."""
    moments = lower(k, kind, off * NORMAL[kind])
    yield residue("parts of lower degree", sp.Matrix(moments)).equals(0)
    at_one = lower(k, kind, 1)
    yield row(
        k=k,
        convention=kind,
        variance=float(NORMAL[kind]),
        degree_first_seen_at_variance_1=next((j for j in range(k) if at_one[j] != 0), k),
    )


@check(*cases)
def at_any_norm(lab, k, kind, shift=0):
    """The part of degree k - 2, for every variance: it vanishes at that one alone."""
    part = gaussian_mean(sp.expand(orthogonal(k - 2) * hermite(k, kind)), [Z], V)
    size = factorial(k) * (1 if kind == "probabilists" else 2**k) * V ** (k - 2) / 2
    yield residue("closed form", part - size * (V - NORMAL[kind] - shift)).equals(0)


@check(*cases)
def by_quadrature(lab, k, kind, off=1.0):
    """The polynomials of scipy at the nodes of a rule that is exact for these degrees."""
    z, mass = gauss_hermite(lab.real(0.0), 1, nodes=k + 1, variance=off * float(NORMAL[kind]))
    named = special.eval_hermitenorm if kind == "probabilists" else special.eval_hermite
    y = torch.as_tensor(named(k, z[:, 0].cpu().numpy())).to(z)
    moments = torch.stack([(mass * z[:, 0] ** j * y).sum() for j in range(k)])
    size = (mass * y**2).sum().sqrt()
    yield approx("largest part of lower degree", float(moments.abs().max() / size)).at_most(1e-9)


hermite_targets = Claim(
    id="kumar2024/hermite-target-has-no-lower-part",
    source=Source(PAPER, "beside Figure 15, Section 15.2", "2310.06110"),
    title="A Hermite target is of degree k alone at one norm of beta",
    statement=(
        r"Let $y = H_k(\beta \cdot x)$ with $x \sim N(0, I/D)$ and $v = |\beta|^2/D$, k from 3 "
        r"to 6. With the probabilists' polynomials $y$ is orthogonal to everything of lower degree "
        r"iff $v = 1$; with the physicists' iff $v = 1/2$. In particular the physicists' $H_3$ at "
        r"$v = 1$ has a linear part and their $H_4$ a quadratic one: their information exponents "
        r"are 1 and 2, not 3 and 4."
    ),
    hypotheses=("v > 0",),
    checks=(at_its_norm, at_any_norm, by_quadrature),
    controls=(
        at_its_norm.but(off=sp.Rational(11, 10)),
        at_any_norm.but(shift=sp.Rational(1, 10)),
        by_quadrature.but(off=1.1),
    ),
    origin="ours",
    gap="Degrees 3 to 6. The paper does not say which polynomials it means.",
)
