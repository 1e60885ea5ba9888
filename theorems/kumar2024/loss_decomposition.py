"""Kumar et al., Section 5.3: the test loss as variance, misalignment and linear power.

Cost: the symbolic line grows steeply with D and N (a second in all here); the quadrature takes
3^D nodes times N neurons.
"""

import sympy as sp
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, row, series
from grokverify.symbolic import gaussian_mean, residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# (3)  f(x) = alpha/N sum_i phi(w_i . x),  phi(h) = h + eps/2 h^2,  y(x) = (b . x)^2 / 2,
#      x ~ N(0, I/D)
# (4)  wbar = 1/N sum_i w_i,  M = 1/N sum_i w_i w_i'
# (6)  E (y - f)^2 =   1/4 (|b|^2/D - alpha eps/D tr M)^2    variance error
#                    + 1/(2 D^2) |alpha eps M - b b'|_F^2    misalignment error
#                    + alpha^2/D |wbar|^2                    power in linear modes


def as_printed(D, alpha, eps, b, wbar, M):
    """The three terms of (6), from sympy matrices or torch tensors alike."""
    variance = (b.dot(b) / D - alpha * eps / D * M.trace()) ** 2 / 4
    return variance, squares(alpha * eps * M - outer(b)) / 2 / D**2, alpha**2 / D * squares(wbar)


def outer(b):
    return torch.outer(b, b) if isinstance(b, torch.Tensor) else b * b.T


def squares(A):
    return A.square().sum() if isinstance(A, torch.Tensor) else sum(entry**2 for entry in A)


# Near misses: each spoils one term of (6) only.
def heavier_variance(D, alpha, eps, b, wbar, M):
    variance, misalignment, power = as_printed(D, alpha, eps, b, wbar, M)
    return variance * 26 / 25, misalignment, power


def heavier_misalignment(D, alpha, eps, b, wbar, M):
    variance, misalignment, power = as_printed(D, alpha, eps, b, wbar, M)
    return variance, misalignment * 51 / 50, power


def heavier_power(D, alpha, eps, b, wbar, M):
    variance, misalignment, power = as_printed(D, alpha, eps, b, wbar, M)
    return variance, misalignment, power * 101 / 100


def eps_squared(D, alpha, eps, b, wbar, M):
    return as_printed(D, alpha, eps**2, b, wbar, M)


def alpha_in_power(D, alpha, eps, b, wbar, M):
    variance, misalignment, power = as_printed(D, alpha, eps, b, wbar, M)
    return variance, misalignment, power / alpha


MISSES = (heavier_variance, heavier_misalignment, heavier_power, eps_squared, alpha_in_power)


def column(letter, D):
    return sp.Matrix(sp.symbols(f"{letter}1:{D + 1}"))


@check(
    lambda lab: [
        {"D": D, "N": N}
        for D, N in lab.pick(
            smoke=((1, 1), (2, 2)), quick=((1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2))
        )
    ]
)
def by_gaussian_moments(lab, D, N, terms=as_printed):
    """Isserlis' theorem, with every weight, the target, alpha and eps left symbolic."""
    alpha, eps = sp.symbols("alpha epsilon")
    W = [column(f"w{i}_", D) for i in range(N)]
    b, x = column("b", D), column("x", D)
    h = [w.dot(x) for w in W]
    f = alpha / N * sum(z + eps / 2 * z**2 for z in h)
    loss = gaussian_mean((b.dot(x) ** 2 / 2 - f) ** 2, x, sp.Rational(1, D))
    wbar = sum(W, sp.zeros(D, 1)) / N
    M = sum((w * w.T for w in W), sp.zeros(D, D)) / N
    yield residue("surviving terms", loss - sum(terms(D, alpha, eps, b, wbar, M))).equals(0)


def gauss_hermite(like, D):
    """Nodes (3^D, D) and weights of a rule for x ~ N(0, I/D), exact up to degree 5 an axis."""
    axis = like.new_tensor([-(3**0.5), 0.0, 3**0.5])  # not torch.tensor: that rounds to float32
    mass = like.new_tensor([1 / 6, 2 / 3, 1 / 6])
    grid = torch.cartesian_prod(*[axis] * D).reshape(-1, D)
    return grid / D**0.5, torch.cartesian_prod(*[mass] * D).reshape(-1, D).prod(-1)


def network(W, alpha, eps, x):
    h = x @ W.T
    return alpha * (h + eps / 2 * h**2).mean(-1)


def target(b, x):
    return (x @ b) ** 2 / 2


def tolerance(W):
    """Rounding of sums of a few thousand terms, relative to the size of the summands."""
    return 1e4 * torch.finfo(W.dtype).eps


@check(
    D=st.integers(1, 6),
    N=st.integers(1, 64),
    alpha=st.floats(0.01, 100),
    eps=st.floats(0.01, 10),
)
def by_quadrature(lab, D, N, alpha, eps, terms=as_printed):
    """The network itself: degree 4 in Gaussian inputs, exact with three nodes an axis."""
    W, b = lab.normal("w", N, D), lab.normal("b", D)
    x, mass = gauss_hermite(W, D)
    f, y = network(W, alpha, eps, x), target(b, x)
    loss = mass @ (y - f) ** 2
    printed = sum(terms(D, alpha, eps, b, W.mean(0), W.T @ W / N))
    deviation = float((loss - printed).abs() / (mass @ (y + f.abs()) ** 2))
    yield approx("relative deviation", deviation).at_most(tolerance(W))


@check(lambda lab: [{"N": N} for N in lab.pick(smoke=(8,), quick=(1, 2, 8, 64), standard=(512,))])
def along_alpha(lab, N, terms=as_printed):
    """One random network with its output scale swept over five decades: the curves of (6)."""
    D, eps, alphas = 5, 0.5, [10 ** (k / 6 - 2) for k in range(31)]
    W, b = lab.normal("w", N, D), lab.normal("b", D)
    x, mass = gauss_hermite(W, D)
    y, worst = target(b, x), 0.0
    for alpha in alphas:
        f = network(W, alpha, eps, x)
        loss = mass @ (y - f) ** 2
        parts = [float(part) for part in terms(D, alpha, eps, b, W.mean(0), W.T @ W / N)]
        variance, misalignment, power = parts
        size = mass @ (y + f.abs()) ** 2
        worst = max(worst, float((loss - sum(parts)).abs() / size))
        labels = {"x": alpha, "xlabel": "output scale alpha", "ylabel": "test loss", "log": "xy"}
        labels["plot"] = f"test loss and its terms, N={N}"
        yield series("test loss", y=float(loss), printed=sum(parts), **labels)
        yield series("variance error", y=variance, **labels)
        yield series("misalignment error", y=misalignment, **labels)
        yield series("power in linear modes", y=power, **labels)
    yield row(N=N, D=D, eps=eps, alphas=len(alphas), worst_relative_deviation=worst)
    yield approx("relative deviation along alpha", worst).at_most(tolerance(W))


loss_decomposition = Claim(
    id="kumar2024/loss-decomposition",
    source=Source(PAPER, "equation (6)", "2310.06110"),
    title="Test loss = variance + misalignment + linear power",
    statement=(
        r"For $f(x) = \frac{\alpha}{N} \sum_i \phi(w_i \cdot x)$ with "
        r"$\phi(h) = h + \frac{\epsilon}{2} h^2$, the target "
        r"$y(x) = \frac{1}{2} (\beta \cdot x)^2$ and $x \sim \mathcal{N}(0, I/D)$, the test loss "
        r"is $\langle (y-f)^2 \rangle = \frac{1}{4} \left( \frac{1}{D} |\beta|^2 - "
        r"\frac{\alpha\epsilon}{D} \operatorname{Tr} M \right)^2 + \frac{1}{2D^2} "
        r"| \alpha\epsilon M - \beta\beta^\top |_F^2 + \frac{\alpha^2}{D} |\bar w|^2$, where "
        r"$\bar w = \frac{1}{N} \sum_i w_i$ and $M = \frac{1}{N} \sum_i w_i w_i^\top$."
    ),
    hypotheses=("inputs are isotropic Gaussian with covariance $I/D$", "readouts are fixed to 1"),
    checks=(by_gaussian_moments, by_quadrature, along_alpha),
    controls=tuple(
        line.but(terms=miss)
        for line in (by_gaussian_moments, by_quadrature, along_alpha)
        for miss in MISSES
    ),
    gap="An identity in symbols for D <= 3 and N <= 2 only; beyond that it is sampled in floats.",
)


# Any readouts v, and the network at initialisation (weights with a 0) taken off:
#   f(x) = alpha/N sum_i [v_i phi(w_i . x) - v0_i phi(w0_i . x)],
#   wbar = 1/N sum_i (v_i w_i - v0_i w0_i),  M = 1/N sum_i (v_i w_i w_i' - v0_i w0_i w0_i'),
# so that M is any symmetric matrix, of any signature.
@check(lambda lab: [{"D": D} for D in lab.pick(smoke=(1, 2), quick=(1, 2, 3))])
def by_generic_moments(lab, D, terms=as_printed):
    """The predictor alpha wbar . x + alpha eps/2 x'Mx with wbar and symmetric M left symbolic."""
    alpha, eps = sp.symbols("alpha epsilon")
    b, x, wbar = column("b", D), column("x", D), column("w", D)
    M = sp.Matrix(D, D, lambda i, j: sp.Symbol(f"m{min(i, j)}_{max(i, j)}"))
    f = alpha * wbar.dot(x) + alpha * eps / 2 * x.dot(M * x)
    loss = gaussian_mean((b.dot(x) ** 2 / 2 - f) ** 2, x, sp.Rational(1, D))
    yield residue("surviving terms", loss - sum(terms(D, alpha, eps, b, wbar, M))).equals(0)


@check(
    D=st.integers(1, 5), N=st.integers(1, 32), alpha=st.floats(0.01, 100), eps=st.floats(-10, 10)
)
def by_centred_network(lab, D, N, alpha, eps, terms=as_printed):
    """A network with Gaussian readouts, minus the same at other weights, by exact quadrature."""
    b, v = lab.normal("b", D), lab.normal("v", 2, N)
    W = lab.normal("w", 2, N, D)
    x, mass = gauss_hermite(W, D)
    h = x @ W.mT
    now, start = alpha / N * ((h + eps / 2 * h**2) * v[:, None, :]).sum(-1)
    wbar = (v[0] @ W[0] - v[1] @ W[1]) / N
    M = (W[0].T @ (v[0, :, None] * W[0]) - W[1].T @ (v[1, :, None] * W[1])) / N
    loss = mass @ (target(b, x) - now + start) ** 2
    size = mass @ (target(b, x) + now.abs() + start.abs()) ** 2
    printed = sum(terms(D, alpha, eps, b, wbar, M))
    yield approx("relative deviation", (loss - printed).abs() / size).at_most(tolerance(W))


@check(lambda lab: [{"N": N} for N in lab.pick(smoke=(8,), quick=(1, 8, 64))])
def along_eps(lab, N, terms=as_printed):
    """One network with readouts, centred, with eps swept through both signs."""
    D, alpha, worst = 4, 1.0, 0.0
    b, v, W = lab.normal("b", D), lab.normal("v", 2, N), lab.normal("w", 2, N, D)
    x, mass = gauss_hermite(W, D)
    h, y = x @ W.mT, target(b, x)
    wbar = (v[0] @ W[0] - v[1] @ W[1]) / N
    M = (W[0].T @ (v[0, :, None] * W[0]) - W[1].T @ (v[1, :, None] * W[1])) / N
    for eps in (k / 5 - 3 for k in range(31)):
        now, start = alpha / N * ((h + eps / 2 * h**2) * v[:, None, :]).sum(-1)
        loss = float(mass @ (y - now + start) ** 2)
        printed = float(sum(terms(D, alpha, eps, b, wbar, M)))
        worst = max(worst, abs(loss - printed) / float(mass @ (y + now.abs() + start.abs()) ** 2))
        labels = {"xlabel": "epsilon", "ylabel": "test loss", "log": "y"}
        yield series(f"test loss with readouts, N={N}", x=eps, y=loss, printed=printed, **labels)
    yield row(N=N, D=D, worst_relative_deviation=worst)
    yield approx("relative deviation along epsilon", worst).at_most(tolerance(W))


with_readouts = Claim(
    id="kumar2024/loss-decomposition-with-readouts",
    source=Source(PAPER, "equation (6)", "2310.06110"),
    title="The loss decomposition for any readouts, centred or not",
    statement=(
        r"Equation (6) holds word for word for $f(x) = \frac{\alpha}{N} \sum_i "
        r"\left( v_i \phi(w_i \cdot x) - v^0_i \phi(w^0_i \cdot x) \right)$ with $\bar w = "
        r"\frac{1}{N} \sum_i (v_i w_i - v^0_i w^0_i)$ and $M = \frac{1}{N} \sum_i "
        r"(v_i w_i w_i^\top - v^0_i w^0_i w_i^{0\top})$, although $M$ may now be indefinite."
    ),
    hypotheses=("inputs are isotropic Gaussian with covariance $I/D$",),
    checks=(by_generic_moments, by_centred_network, along_eps),
    controls=tuple(
        line.but(terms=miss) for line in (by_generic_moments, by_centred_network) for miss in MISSES
    )
    + tuple(along_eps.but(terms=miss) for miss in MISSES[:4]),  # alpha is 1 there
    origin="ours",
    sharpens=("kumar2024/loss-decomposition",),
    gap="An identity in symbols for D <= 3 only; beyond that it is sampled in floats.",
)
