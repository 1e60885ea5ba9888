"""Kumar et al., Appendix 12: trained readouts, equations (21) to (23).

In every dimension by Wick's theorem; numerically by a network whose neurons are the nodes of an
integration rule over (v, w), so that its tangent kernel is a Gaussian mean without sampling.
Cost: 3^(D+1) neurons, 3^D inputs, D <= 4.
"""

import sympy as sp
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, series
from grokverify.forms import form, form_mean, mean_over
from grokverify.kernels import tangent_gram
from grokverify.quadrature import gauss_hermite
from grokverify.symbolic import gaussian_mean, residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")

# (21)  f(x) = alpha/N sum_i v_i phi(w_i . x) = alpha wbar.x + alpha eps/2 x'Mx
# (22)  M = 1/N sum_i v_i w_i w_i',  wbar = 1/N sum_i v_i w_i
# (23)  K(x, z) = 2 x.z + 3 eps^2/2 (x.z)^2 + eps^2/4 |x|^2 |z|^2  at initialisation, in units of
#       alpha^2/N; v_i ~ N(0, 1) and w_i ~ N(0, I) are what it takes.


def phi(h, eps):
    return h + eps * h**2 / 2


def by_moments(alpha, eps, wbar_x, xMx):
    return alpha * wbar_x + alpha * eps * xMx / 2


def quadratic_off(alpha, eps, wbar_x, xMx):
    return by_moments(alpha, eps, wbar_x, xMx * 101 / 100)


def linear_off(alpha, eps, wbar_x, xMx):
    return by_moments(alpha, eps, wbar_x * 101 / 100, xMx)


def column(letter, D):
    return sp.Matrix(sp.symbols(f"{letter}1:{D + 1}"))


@check()
def for_any_width(lab, formula=by_moments):
    """v-weighted means over neurons are linear; D and N arbitrary."""
    alpha = sp.Symbol("alpha")
    f = alpha * mean_over(phi(form("w", "x"), EPS), "w", first="wbar", second="M")
    claimed = formula(alpha, EPS, form("wbar", "x"), form("x", "M", "x"))
    yield residue("surviving terms", f - claimed).equals(0)


@check(lambda lab: [dict(D=D, N=N) for D, N in ((1, 1), (2, 2), (3, 2))])
def coordinate_by_coordinate(lab, D, N, formula=by_moments):
    alpha, v, x = sp.Symbol("alpha"), sp.symbols(f"v1:{N + 1}"), column("x", D)
    W = [column(f"w{i}_", D) for i in range(N)]
    f = alpha / N * sum(vi * phi(w.dot(x), EPS) for vi, w in zip(v, W, strict=True))
    wbar = sum((vi * w for vi, w in zip(v, W, strict=True)), sp.zeros(D, 1)) / N
    M = sum((vi * w * w.T for vi, w in zip(v, W, strict=True)), sp.zeros(D, D)) / N
    claimed = formula(alpha, EPS, wbar.dot(x), x.dot(M * x))
    yield residue("surviving terms", f - claimed).equals(0)


@check(lambda lab: [dict(N=N) for N in lab.pick(smoke=(4, 64), quick=(1, 4, 16, 64, 256, 1024))])
def on_a_network(lab, N, formula=by_moments):
    D, alpha, eps = 40, 0.7, 0.5
    W, v, x = lab.normal("w", N, D), lab.normal("v", N), lab.normal("x", 50, D) / D**0.5
    f = alpha * (v * phi(x @ W.mT, eps)).mean(-1)
    M, wbar = W.mT @ (v[:, None] * W) / N, v @ W / N
    claimed = formula(alpha, eps, x @ wbar, ((x @ M) * x).sum(-1))
    yield series("f at one input", x=N, y=float(f[0]), printed=float(claimed[0]), xlabel="width N")
    gap = float((f - claimed).abs().max() / f.abs().max())
    yield approx("relative deviation", gap).at_most(1e4 * torch.finfo(f.dtype).eps)


readout_moments = Claim(
    id="kumar2024/readout-moments",
    source=Source(PAPER, "equations (21) and (22)", "2310.06110"),
    title="A network with readouts is a function of two weighted moments",
    statement=(
        r"$\frac{\alpha}{N} \sum_i v_i \phi(w_i \cdot x) = \alpha \bar w \cdot x + "
        r"\frac{\alpha\epsilon}{2} x^\top M x$ with $M = \frac{1}{N} \sum_i v_i w_i w_i^\top$ and "
        r"$\bar w = \frac{1}{N} \sum_i v_i w_i$."
    ),
    uses=("kumar2024/loss-decomposition-with-readouts",),
    checks=(for_any_width, coordinate_by_coordinate, on_a_network),
    controls=tuple(
        line.but(formula=off)
        for line in (for_any_width, coordinate_by_coordinate, on_a_network)
        for off in (quadratic_off, linear_off)
    ),
    gap="That (6) holds with these moments is the claim it uses.",
)


# --- (23) --------------------------------------------------------------------------------------
def kernel(eps, xz, xx, zz):
    return 2 * xz + 3 * eps**2 * xz**2 / 2 + eps**2 * xx * zz / 4


def square_lighter(eps, xz, xx, zz):
    """1 for 3/2, as without trained readouts."""
    return kernel(eps, xz, xx, zz) - eps**2 * xz**2 / 2


def norms_heavier(eps, xz, xx, zz):
    return kernel(eps, xz, xx, zz) + eps**2 * xx * zz / 4


def linear_once(eps, xz, xx, zz):
    return kernel(eps, xz, xx, zz) - xz


OFF = (square_lighter, norms_heavier, linear_once)


@check()
def mean_over_weights(lab, formula=kernel):
    """Gradients by w and by v of one neuron, averaged over both; symbolic D."""
    v, h = sp.symbols("v h")
    slope = sp.diff(phi(h, EPS), h)

    def at(expr, vector):
        return expr.subs(h, form("w", vector))

    by_w = v**2 * at(slope, "x") * at(slope, "z") * form("x", "z")
    by_v = at(phi(h, EPS), "x") * at(phi(h, EPS), "z")
    K = form_mean(gaussian_mean(by_w + by_v, [v], 1), "w", variance=1, dimension=D)
    claimed = formula(EPS, form("x", "z"), form("x", "x"), form("z", "z"))
    yield residue("surviving terms", K - claimed).equals(0)


def network_kernel(like, D, eps, x):
    """f = sum_k sqrt(m_k) v_k phi(w_k . x) over the nodes (v_k, w_k), masses m_k: its tangent
    kernel is the mean over v and w of the kernel of a neuron."""
    nodes, mass = gauss_hermite(like, D + 1)

    def outputs(at):
        return (mass.sqrt() * at["v"] * phi(x @ at["W"].mT, eps)).sum(-1)

    return tangent_gram(outputs, {"v": nodes[:, 0], "W": nodes[:, 1:]})


@check(D=st.integers(1, 4), eps=st.floats(0.1, 4))
def of_a_network(lab, D, eps, formula=kernel):
    x = lab.normal("x", 8, D)
    K = network_kernel(x, D, eps, x)
    xx = x.square().sum(-1)
    gap = float((K - formula(eps, x @ x.mT, xx[:, None], xx[None, :])).abs().max() / K.abs().max())
    yield approx("relative deviation", gap).at_most(1e4 * torch.finfo(K.dtype).eps)


@check(lambda lab: [dict(D=D) for D in lab.pick(smoke=(2,), quick=(1, 2, 3, 4))])
def along_eps(lab, D, formula=kernel):
    x, worst = lab.normal("x", 2, D), 0.0
    for eps in (0.0, 0.5, 1.0, 2.0, 4.0):
        K = network_kernel(x, D, eps, x)
        told = formula(eps, x[0] @ x[1], x[0] @ x[0], x[1] @ x[1])
        worst = max(worst, float((K[0, 1] - told).abs() / K.diag().max()))
        yield series(
            f"K(x, x') with readouts, D={D}",
            x=eps,
            y=float(K[0, 1]),
            printed=float(told),
            xlabel="epsilon",
        )
    yield approx("worst deviation along epsilon", worst).at_most(1e4 * torch.finfo(x.dtype).eps)


LINES = (mean_over_weights, of_a_network, along_eps)
readout_kernel = Claim(
    id="kumar2024/readout-kernel",
    source=Source(PAPER, "equation (23)", "2310.06110"),
    title="The initial kernel with trained readouts",
    statement=(
        r"For $v_i \sim \mathcal{N}(0, 1)$ and $w_i \sim \mathcal{N}(0, I)$ the mean tangent "
        r"kernel is $2 x \cdot x' + \frac{3\epsilon^2}{2} (x \cdot x')^2 + "
        r"\frac{\epsilon^2}{4} |x|^2 |x'|^2$, in units of $\frac{\alpha^2}{N}$, for "
        r"every $D$ and $N$."
    ),
    hypotheses=("Gaussian readouts of variance 1, and units of alpha^2/N: neither is printed",),
    checks=LINES,
    controls=tuple(line.but(formula=off) for line in LINES for off in OFF),
    gap="The mean over weights; a network of finite width fluctuates about it.",
)
