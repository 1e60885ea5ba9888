"""Kumar et al., Appendix 11.1: how the initial kernel acts on polynomials, equations (11) to (15).

Every identity is shown twice: for symbolic D by Wick's theorem, with arbitrary vectors u, v for the
coordinate axes; and for the tangent kernel of an actual network, which torch differentiates, under
an integration rule that is exact for these polynomials. Cost: 3^D nodes, D <= 5.
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

# (10)  K(x, z) = x.z + eps^2 (x.z)^2
# (11)  (T g)(z) = E K(x, z) g(x) over x ~ N(0, I/D); eigenfunctions have T g = lambda g.
# (12)  T x_i = z_i / D
# (13)  T x_i^2 = 2 eps^2/D^2 z_i^2 + eps^2/D^2 |z|^2,   T |x|^2 = eps^2/D (1 + 2/D) |z|^2
# (14)  T (x_i^2 - c |x|^2) = 2 eps^2/D^2 (z_i^2 + (1/2 - c/2 (D + 2)) |z|^2), an eigenfunction
#       iff 2 c = c (D + 2) - 1, that is c = 1/D
# (15)  T x_i x_j = 2 eps^2/D^2 z_i z_j,  i != j
# (13) is printed with x_i^2 for z_i^2 on its right, which cannot be meant.


def T(g):
    """The operator of (11) on a polynomial in forms of x, in symbolic dimension."""
    K = form("x", "z") + EPS**2 * form("x", "z") ** 2
    image = form_mean(sp.expand(K * g), "x", variance=1 / D, dimension=D)
    return image.subs({form("u", "u"): 1, form("v", "v"): 1, form("u", "v"): 0})


def action(lab, D, eps, *functions):
    """Images of functions under the kernel of a network with wbar = 0 and M = I, at 3^D nodes."""
    W = torch.cat([torch.eye(D), -torch.eye(D)]).to(lab.real(0.0)) * D**0.5
    x, mass = gauss_hermite(W, D, variance=1 / D)

    def outputs(at):
        h = x @ at["W"].mT
        return (h + eps / 2 * h**2).mean(-1)

    K = tangent_gram(outputs, {"W": W}) * len(W)
    return x, [K @ (mass * g(x)) for g in functions]


def deviation(name, image, claimed, size):
    gap = float((image - claimed).abs().max() / size.abs().max())
    return approx(name, gap).at_most(1e4 * torch.finfo(image.dtype).eps)


def curve(name, D, image, g, eigenvalue, at):
    """One point of an eigenvalue curve: the image over the function, at the node where g peaks."""
    return series(
        name,
        x=D,
        y=float(image[at] / g[at]),
        printed=float(eigenvalue),
        xlabel="dimension D",
        ylabel="eigenvalue",
        log="xy",
    )


def dimensions(lab):
    return [dict(D=D) for D in lab.pick(smoke=(2, 3), quick=(2, 3, 4, 5))]


AXIS = {"D": st.integers(1, 4), "eps": st.floats(0.1, 4)}


# --- (12) --------------------------------------------------------------------------------------
def linear_value(D):
    return 1 / D


def linear_value_off(D):
    return 1 / (D + 1)


@check()
def linear_in_any_dimension(lab, value=linear_value):
    g = form("u", "x")
    yield residue("surviving terms", T(g) - value(D) * form("u", "z")).equals(0)


@check(dimensions)
def linear_on_a_network(lab, D, value=linear_value):
    u = lab.normal("u", D)
    x, (image,) = action(lab, D, 0.7, lambda x: x @ u)
    g = x @ u
    yield curve("eigenvalue of linear functions", D, image, g, 1 / D, int(g.abs().argmax()))
    yield deviation("relative deviation", image, value(D) * g, image)


linear_modes = Claim(
    id="kumar2024/linear-modes",
    source=Source(PAPER, "equations (11) and (12)", "2310.06110"),
    title="Linear functions are eigenfunctions with eigenvalue 1/D",
    statement=(
        r"For $K(x, x') = x \cdot x' + \epsilon^2 (x \cdot x')^2$ and $x \sim "
        r"\mathcal{N}(0, I/D)$: $\langle K(x, x') x_i \rangle = \frac{1}{D} x'_i$ for every $D$ "
        r"(and the same for $u \cdot x$ with any vector $u$)."
    ),
    uses=("kumar2024/wide-kernel",),
    checks=(linear_in_any_dimension, linear_on_a_network),
    controls=(
        linear_in_any_dimension.but(value=linear_value_off),
        linear_on_a_network.but(value=linear_value_off),
    ),
    gap="None for the identity; (11) itself is a definition.",
)


# --- (13) --------------------------------------------------------------------------------------
def square_image(D, eps, square, norm):
    return 2 * eps**2 / D**2 * square + eps**2 / D**2 * norm


def norm_image(D, eps, norm):
    return eps**2 / D * (1 + 2 / D) * norm


def square_image_off(D, eps, square, norm):
    return 2 * eps**2 / D**2 * square + eps**2 / D * norm


def norm_image_off(D, eps, norm):
    return eps**2 / D * (1 + 1 / D) * norm


@check()
def squares_in_any_dimension(lab, square=square_image, norm=norm_image):
    uz, zz = form("u", "z"), form("z", "z")
    gap = T(form("u", "x") ** 2) - square(D, EPS, uz**2, zz)
    yield residue("terms left of the first part", gap).equals(0)
    gap = T(form("x", "x")) - norm(D, EPS, zz)
    yield residue("terms left of the second part", gap).equals(0)


@check(**AXIS)
def squares_on_a_network(lab, D, eps, square=square_image, norm=norm_image):
    x, images = action(lab, D, eps, lambda x: x[:, 0] ** 2, lambda x: x.square().sum(-1))
    squares, norms = x[:, 0] ** 2, x.square().sum(-1)
    told = square(D, eps, squares, norms), norm(D, eps, norms)
    yield deviation("deviation of the first part", images[0], told[0], images[0])
    yield deviation("deviation of the second part", images[1], told[1], images[1])


@check(dimensions)
def norm_along_dimension(lab, D, norm=norm_image):
    x, (image,) = action(lab, D, 0.7, lambda x: x.square().sum(-1))
    g = x.square().sum(-1)
    value = norm_image(D, 0.7, 1.0)
    yield curve("eigenvalue of |x|^2, eps = 0.7", D, image, g, value, int(g.argmax()))
    yield row(D=D, printed_in_13=value, printed_in_16=(1 + 2 / D) / D)
    yield deviation("deviation along D", image, norm(D, 0.7, g), image)


square_images = Claim(
    id="kumar2024/square-images",
    source=Source(PAPER, "equation (13)", "2310.06110"),
    title="Images of x_i^2 and of |x|^2 under the initial kernel",
    statement=(
        r"$\langle K(x, x') x_i^2 \rangle = \frac{2\epsilon^2}{D^2} (x'_i)^2 + "
        r"\frac{\epsilon^2}{D^2} |x'|^2$ and $\langle K(x, x') |x|^2 \rangle = "
        r"\frac{\epsilon^2}{D} \left( 1 + \frac{2}{D} \right) |x'|^2$ for every $D$."
    ),
    uses=("kumar2024/wide-kernel",),
    checks=(squares_in_any_dimension, squares_on_a_network, norm_along_dimension),
    controls=(
        squares_in_any_dimension.but(square=square_image_off),
        squares_in_any_dimension.but(norm=norm_image_off),
        squares_on_a_network.but(square=square_image_off),
        squares_on_a_network.but(norm=norm_image_off),
        norm_along_dimension.but(norm=norm_image_off),
    ),
    gap="Read with x' for x on the right of the first part, where a prime is lost in print.",
)
