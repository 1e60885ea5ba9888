"""Kumar et al., Appendix 11.1: eigenfunctions among the quadratic forms, (14) and (15).

Both for symbolic D by Wick's theorem, and for the tangent kernel of an actual network under an
exact integration rule. Cost: 3^D nodes, D <= 5.
"""

import sympy as sp
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, row, series
from grokverify.forms import form, form_mean
from grokverify.kernels import tangent_gram
from grokverify.quadrature import gauss_hermite
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS, C = sp.symbols("D epsilon c")

# (11)  (T g)(z) = E K(x, z) g(x), x ~ N(0, I/D), K(x, z) = x.z + eps^2 (x.z)^2
# (14)  T (x_i^2 - c |x|^2) = 2 eps^2/D^2 [z_i^2 + (1/2 - c/2 (D + 2)) |z|^2]: an eigenfunction
#       iff 2 c = c (D + 2) - 1, that is c = 1/D, with eigenvalue 2 eps^2/D^2
# (15)  T x_i x_j = 2 eps^2/D^2 z_i z_j,  i != j


def T(g):
    """The operator of (11) on a polynomial in forms of x; u and v are orthogonal unit vectors."""
    K = form("x", "z") + EPS**2 * form("x", "z") ** 2
    image = form_mean(sp.expand(K * g), "x", variance=1 / D, dimension=D)
    return image.subs({form("u", "u"): 1, form("v", "v"): 1, form("u", "v"): 0})


def action(lab, D, eps, g):
    """The image of g under the kernel of a network with wbar = 0 and M = I, at 3^D nodes."""
    W = torch.cat([torch.eye(D), -torch.eye(D)]).to(lab.real(0.0)) * D**0.5
    x, mass = gauss_hermite(W, D, variance=1 / D)

    def outputs(at):
        h = x @ at["W"].mT
        return (h + eps / 2 * h**2).mean(-1)

    return x, tangent_gram(outputs, {"W": W}) * len(W) @ (mass * g(x))


def deviation(name, image, claimed):
    """Relative to the image, plus its typical size for functions whose image is small."""
    gap = float((image - claimed).abs().max() / image.abs().max())
    return approx(name, gap).at_most(1e4 * torch.finfo(image.dtype).eps)


def dimensions(lab):
    return [dict(D=D) for D in lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5))]


# --- (14) --------------------------------------------------------------------------------------
def bracket(D, c):
    """The weight of |z|^2 inside the bracket of (14)."""
    return sp.Rational(1, 2) - c / 2 * (D + 2)


def condition(D, c):
    return 2 * c - (c * (D + 2) - 1)


def root(D):
    return 1 / D


def bracket_off(D, c):
    return sp.Rational(1, 2) - c / 2 * (D + 1)


def condition_off(D, c):
    return 2 * c - (c * (D + 1) - 1)


def root_off(D):
    return 1 / (D + 1)


@check()
def differences_in_any_dimension(lab, bracket=bracket, condition=condition, root=root):
    """(14); the defect T g - lambda g is eps^2/D^2 |z|^2 times the condition; its root."""
    uz, zz = form("u", "z"), form("z", "z")
    lam = 2 * EPS**2 / D**2
    image = T(form("u", "x") ** 2 - C * form("x", "x"))
    yield residue("terms left of (14)", image - lam * (uz**2 + bracket(D, C) * zz)).equals(0)
    defect = image - lam * (uz**2 - C * zz)
    yield residue("terms left of the condition", defect - lam / 2 * condition(D, C) * zz).equals(0)
    yield residue("defect at the root", defect.subs(C, root(D))).equals(0)


@check(D=st.integers(2, 4), eps=st.floats(0.1, 4), c=st.floats(-2, 2))
def differences_on_a_network(lab, D, eps, c, bracket=bracket):
    def g(x):
        return x[:, 0] ** 2 - c * x.square().sum(-1)

    x, image = action(lab, D, eps, g)
    weight = float(bracket(D, c))
    told = 2 * eps**2 / D**2 * (x[:, 0] ** 2 + weight * x.square().sum(-1))
    yield deviation("relative deviation", image, told)


@check(dimensions)
def defect_along_c(lab, D, root=root):
    """How far T g is from 2 eps^2/D^2 g as c moves through 1/D: a V with its foot on the root."""
    eps = 0.7
    for c in (root(D) * (1 + k / 4) for k in range(-4, 5)):

        def g(x, c=c):
            return x[:, 0] ** 2 - c * x.square().sum(-1)

        x, image = action(lab, D, eps, g)
        lam = 2 * eps**2 / D**2
        gap = float((image - lam * g(x)).abs().max() / (lam * x.square().sum(-1).max()))
        yield series(
            f"defect of x_i^2 - c |x|^2, D={D}",
            x=c * D,
            y=gap,
            printed=abs(1 - c * D) / 2,
            xlabel="c D",
            ylabel="|T g - lambda g| / (lambda max |x|^2)",
        )
        if c == root(D):
            yield row(D=D, root=c, defect=gap)
            small = 1e4 * torch.finfo(image.dtype).eps
            yield approx("defect at the root", gap).at_most(small)


LINES = (differences_in_any_dimension, differences_on_a_network)
traceless_modes = Claim(
    id="kumar2024/traceless-modes",
    source=Source(PAPER, "equation (14)", "2310.06110"),
    title="x_i^2 - c |x|^2 is an eigenfunction iff c = 1/D",
    statement=(
        r"$\langle K(x, x') (x_i^2 - c |x|^2) \rangle = \frac{2\epsilon^2}{D^2} \left( (x'_i)^2 + "
        r"\left( \frac{1}{2} - \frac{c}{2} (D+2) \right) |x'|^2 \right)$, which is "
        r"$\frac{2\epsilon^2}{D^2}$ times the function iff $2c = c(D+2) - 1$, that is "
        r"$c = \frac{1}{D}$."
    ),
    uses=("kumar2024/square-images",),
    checks=(*LINES, defect_along_c),
    controls=(
        *(line.but(bracket=bracket_off) for line in LINES),
        differences_in_any_dimension.but(condition=condition_off),
        differences_in_any_dimension.but(root=root_off),
        defect_along_c.but(root=root_off),
    ),
    gap="None for the identity; the number of these eigenfunctions is a claim of its own.",
)


# --- (15) --------------------------------------------------------------------------------------
def mixed_value(D, eps):
    return 2 * eps**2 / D**2


def mixed_without_two(D, eps):
    return eps**2 / D**2


def mixed_with_eps(D, eps):
    return 2 * eps / D**2


def no_norm(c):
    return 0 * c


def some_norm(c):
    return c


@check()
def products_in_any_dimension(lab, value=mixed_value, c=no_norm):
    """For orthogonal u, v; with c |x|^2 taken off it is an eigenfunction for c = 0 only."""
    g = form("u", "x") * form("v", "x") - c(C) * form("x", "x")
    told = form("u", "z") * form("v", "z") - c(C) * form("z", "z")
    yield residue("surviving terms", T(g) - value(D, EPS) * told).equals(0)


@check(D=st.integers(2, 4), eps=st.floats(0.1, 4))
def products_on_a_network(lab, D, eps, value=mixed_value):
    def g(x):
        return x[:, 0] * x[:, 1]

    x, image = action(lab, D, eps, g)
    yield deviation("relative deviation", image, value(D, eps) * g(x))


@check(dimensions)
def products_along_dimension(lab, D, value=mixed_value):
    """Every pair i < j at once, by its quotient of quadratic forms."""
    eps, worst = 0.7, 0.0
    for i in range(D):
        for j in range(i):

            def g(x, i=i, j=j):
                return x[:, i] * x[:, j]

            x, image = action(lab, D, eps, g)
            at = int(g(x).abs().argmax())
            ratio = float(image[at] / g(x)[at])
            worst = max(worst, abs(ratio / value(D, eps) - 1))
    yield row(D=D, pairs=D * (D - 1) // 2, measured=ratio, printed=2 * eps**2 / D**2)
    yield series(
        "eigenvalue of x_i x_j, eps = 0.7",
        x=D,
        y=ratio,
        printed=2 * eps**2 / D**2,
        xlabel="dimension D",
        ylabel="eigenvalue",
        log="xy",
    )
    small = 1e4 * torch.finfo(image.dtype).eps
    yield approx("worst relative deviation", worst).at_most(small)


mixed_modes = Claim(
    id="kumar2024/mixed-modes",
    source=Source(PAPER, "equation (15)", "2310.06110"),
    title="Products x_i x_j are eigenfunctions with eigenvalue 2 eps^2/D^2",
    statement=(
        r"For $i \ne j$: $\langle K(x, x') x_i x_j \rangle = \frac{2\epsilon^2}{D^2} x'_i x'_j$, "
        r"and these are $\frac{1}{2} (D^2 - D)$ functions."
    ),
    uses=("kumar2024/wide-kernel",),
    checks=(products_in_any_dimension, products_on_a_network, products_along_dimension),
    controls=(
        *(
            line.but(value=off)
            for line in (products_in_any_dimension, products_on_a_network, products_along_dimension)
            for off in (mixed_without_two, mixed_with_eps)
        ),
        products_in_any_dimension.but(c=some_norm),
    ),
    gap="None; x_i x_j - c |x|^2, which the paper announces, is an eigenfunction for c = 0 only.",
)
