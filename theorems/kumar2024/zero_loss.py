"""Kumar et al., Section 5.3: which networks reach zero test loss, and what one neuron can reach.

Cost: seconds; sums over the 3^D nodes of a quadrature that is exact for these polynomials.
"""

import scipy.optimize
import sympy as sp
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, approx, check, row, series
from grokverify.symbolic import gaussian_mean, residue

ZERO, TWO = sp.Integer(0), sp.Integer(2)  # exact ingredients, so that a control may be rational
PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"

# f(x) = alpha/N sum_i (h_i + eps/2 h_i^2) with h = W x,  y(x) = (b . x)^2 / 2,  x ~ N(0, I/D).
# After (6): the loss vanishes where M = b b'/(alpha eps) and wbar = 0. M is a mean of squares, so
# that every w_i is then c_i b with sum_i c_i = 0 and 1/N sum_i c_i^2 = 1/(alpha eps).


def loss(W, b, alpha, eps):
    """E (y - f)^2 for one network (N, D), by three Gauss-Hermite nodes an axis (exact)."""
    D = len(b)
    axis, mass = W.new_tensor([-(3**0.5), 0.0, 3**0.5]), W.new_tensor([1 / 6, 2 / 3, 1 / 6])
    x = torch.cartesian_prod(*[axis] * D).reshape(-1, D) / D**0.5
    weight = torch.cartesian_prod(*[mass] * D).reshape(-1, D).prod(-1)
    h = x @ W.T
    f = alpha * (h + eps / 2 * h**2).mean(-1)
    return weight @ ((x @ b) ** 2 / 2 - f) ** 2


def null_loss(b):
    """E y^2 = 3 |b|^4 / (4 D^2), the loss of the zero predictor."""
    return 3 * b.dot(b) ** 2 / (4 * len(b) ** 2)


def symbolic_loss(W, b, alpha, eps):
    x = sp.Matrix(sp.symbols(f"x1:{len(b) + 1}"))
    h = [w.dot(x) for w in W]
    f = alpha / len(W) * sum(z + eps / 2 * z**2 for z in h)
    return gaussian_mean((b.dot(x) ** 2 / 2 - f) ** 2, x, sp.Rational(1, len(b)))


@check(
    lambda lab: [
        {"D": D, "N": N} for D in lab.pick(smoke=(1, 2), quick=(1, 2, 3)) for N in (2, 3, 4)
    ]
)
def along_target(lab, D, N, excess=ZERO, shift=ZERO):
    """w_i = r c_i b, c = (N-1, -1, ..., -1); r, b, alpha symbolic, eps = 1/(alpha r^2 mean c^2)."""
    alpha, r = sp.symbols("alpha r")
    b = sp.Matrix(sp.symbols(f"b1:{D + 1}"))
    c = (N - 1, *(-1,) * (N - 1))
    mean = sp.Rational(sum(ci * ci for ci in c), len(c))
    W = [r * (ci + shift) * b for ci in c]
    eps = (1 + excess) / (alpha * r**2 * (mean + shift**2))
    yield residue("surviving terms", symbolic_loss(W, b, alpha, eps)).equals(0)


@check(
    D=st.integers(1, 6), N=st.integers(2, 64), alpha=st.floats(0.01, 100), eps=st.floats(0.1, 10)
)
def at_random_solutions(lab, D, N, alpha, eps, excess=0.0, shift=0.0):
    """c Gaussian, then centred and scaled: a random point of the solution set."""
    b, c = lab.normal("b", D), lab.normal("c", N)
    c = c - c.mean()
    c = c / (c.square().mean() * alpha * eps / (1 + excess)).sqrt()
    W = torch.outer(c + shift * c.abs().max(), b)
    # f is a mean of terms that cancel; their size sets what rounding can do
    size = null_loss(b) + alpha**2 * b.dot(b) * c.abs().mean() ** 2 / D
    tolerance = 1e4 * torch.finfo(b.dtype).eps ** 2
    yield approx("relative loss", float(loss(W, b, alpha, eps) / size)).at_most(tolerance)


@check({"N": 2}, {"N": 16})
def beside_solutions(lab, N, power=2):
    """alpha eps M = (1 + t) b b' and wbar = 0 give t^2 times the null loss, by (6)."""
    D, alpha, eps, worst = 4, 0.3, 0.7, 0.0
    b, c = lab.normal("b", D), lab.normal("c", N)
    c = c - c.mean()
    c = c / (c.square().mean() * alpha * eps).sqrt()
    for t in (10 ** (k / 4 - 3) for k in range(17)):
        measured = float(loss(torch.outer(c * (1 + t) ** 0.5, b), b, alpha, eps) / null_loss(b))
        worst = max(worst, abs(measured - t**power))
        yield series(
            f"test loss beside a solution, N={N}",
            x=t,
            y=measured,
            printed=t**2,
            xlabel="relative excess of M",
            ylabel="loss / null loss",
            log="xy",
        )
    yield approx("gap to t^2", worst).at_most(1e6 * torch.finfo(b.dtype).eps)


zero_loss = Claim(
    id="kumar2024/zero-loss-networks",
    source=Source(PAPER, "Section 5.3, after equation (6)", "2310.06110"),
    title="M parallel to the target and mean weight 0 give zero test loss",
    statement=(
        r"If $M = \frac{1}{\alpha\epsilon} \beta\beta^\top$ and $\bar w = 0$, then the test "
        r"loss is $0$; for $N \ge 2$ and $\alpha\epsilon > 0$ such networks exist: "
        r"$w_i = c_i \beta$ with $\sum_i c_i = 0$ and $\frac{1}{N} \sum_i c_i^2 = "
        r"\frac{1}{\alpha\epsilon}$."
    ),
    hypotheses=(
        "inputs are isotropic Gaussian with covariance $I/D$",
        r"at least two neurons and $\alpha \epsilon > 0$ (not said in the paper)",
    ),
    checks=(along_target, at_random_solutions, beside_solutions),
    controls=(
        beside_solutions.but(power=2.01),
        along_target.but(excess=sp.Rational(1, 100)),
        along_target.but(shift=sp.Rational(1, 100)),
        at_random_solutions.but(excess=0.001),
        at_random_solutions.but(shift=0.001),
    ),
    uses=("kumar2024/loss-decomposition",),
    gap="Symbolic for a few patterns c and D <= 3; random patterns in floats.",
)


# One neuron w cannot have mean weight 0. With B = |b|^2 and u = 2 alpha D / (3 eps B),
#   loss / E y^2 = 1 - (1 - u)^2 + (alpha eps |w|^2 / B - (1 - u))^2
#                  + 4 alpha eps / (3 B^2) (|w|^2 B - (w . b)^2),
# three terms of which the last two are >= 0 and vanish together at w = c b if u <= 1. Hence
#   min loss / E y^2 = 1 - (1 - u)^2 for u <= 1, and 1 (the zero predictor) beyond.
def floor(u):
    return 1 - max(0.0, 1 - u) ** 2


def floor_raised(u):
    return floor(1.02 * u)


def floor_lowered(u):
    return floor(u / 1.02)


@check(lambda lab: [{"D": D} for D in lab.pick(smoke=(1, 2), quick=(1, 2, 3))])
def completed_square(lab, D, linear=TWO):
    """The decomposition above, as an identity in w, b, alpha and eps."""
    alpha, eps = sp.symbols("alpha epsilon")
    b, w = sp.Matrix(sp.symbols(f"b1:{D + 1}")), sp.Matrix(sp.symbols(f"w1:{D + 1}"))
    B, q = b.dot(b), w.dot(w)
    u = linear * alpha * D / (3 * eps * B)
    square = (alpha * eps * q / B - (1 - u)) ** 2
    gram = 4 * alpha * eps / (3 * B**2) * (q * B - w.dot(b) ** 2)
    claimed = null_loss(b) * (1 - (1 - u) ** 2 + square + gram)
    yield residue("surviving terms", symbolic_loss([w], b, alpha, eps) - claimed).equals(0)


@check(lambda lab: [{"u": k / 5} for k in lab.pick(smoke=(2, 6), quick=range(1, 8))])
def by_descent(lab, u, bound=floor):
    """BFGS on the network itself from many starts: how low it gets, against the floor."""
    D, alpha, eps = 4, 0.3, 0.7
    b = lab.normal("b", D).double()  # the line searches of BFGS need the digits
    b = b * (2 * alpha * D / (3 * eps * u)) ** 0.5 / b.norm()

    def objective(flat):
        w = torch.tensor(flat, dtype=b.dtype, device=b.device, requires_grad=True)
        value = loss(w[None], b, alpha, eps) / null_loss(b)
        value.backward()
        return float(value.detach()), w.grad.cpu().numpy()

    starts = lab.normal("w", lab.pick(smoke=4, quick=8), D).cpu().numpy()
    runs = [scipy.optimize.minimize(objective, w, jac=True, method="BFGS") for w in starts]
    best = min(run.fun for run in runs)
    yield row(u=u, best_of_descent=best, floor=bound(u))
    yield series(
        "smallest relative loss of one neuron",
        x=u,
        y=best,
        printed=bound(u),
        xlabel="u = 2 alpha D / (3 eps |b|^2)",
        ylabel="loss / null loss",
    )
    yield approx("best run minus floor", best - bound(u)).at_least(-1e-9)
    yield approx("best run over floor", best - bound(u)).at_most(1e-6)


single_neuron = Claim(
    id="kumar2024/single-neuron-floor",
    source=Source(PAPER, "Section 5.3, after equation (6)", "2310.06110"),
    title="One neuron never reaches zero test loss",
    statement=(
        r"For $N = 1$ and $\alpha, \epsilon > 0$ put $u = \frac{2 \alpha D}{3 \epsilon "
        r"|\beta|^2}$. Then $\min_w \langle (y-f)^2 \rangle / \langle y^2 \rangle = "
        r"1 - (1-u)^2$ if $u \le 1$, attained at $w = c \beta$ with $c^2 = "
        r"\frac{1-u}{\alpha\epsilon}$, and $1$, attained at $w = 0$, if $u \ge 1$."
    ),
    hypotheses=("inputs are isotropic Gaussian with covariance $I/D$", r"$\alpha, \epsilon > 0$"),
    checks=(completed_square.part("the completed square"), by_descent),
    controls=(
        completed_square.but(linear=sp.Rational(21, 10)),
        by_descent.but(bound=floor_raised),
        by_descent.but(bound=floor_lowered),
    ),
    origin="ours",
    sharpens=("kumar2024/zero-loss-networks",),
    gap="The identity is symbolic for D <= 3; that its last two terms are >= 0 is argued in words.",
)
