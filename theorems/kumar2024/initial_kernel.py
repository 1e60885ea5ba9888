"""Kumar et al., Appendix 11.1: the kernel at initialisation, equation (10), and how wide is wide.

Cost: instant; the largest sum runs over 3^4 sets of weights.
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

# (10)  K(x, z) = x.z + eps^2 (x.z)^2  where wbar = 0 and M = I, that is at infinite width for
#       w_i ~ N(0, I); in units of alpha^2/N, like (5).


def wide(eps, xz):
    return xz + eps**2 * xz**2


def quadratic_heavier(eps, xz):
    return xz + eps**2 * xz**2 * 101 / 100


def linear_heavier(eps, xz):
    return xz * 101 / 100 + eps**2 * xz**2


def eps_once(eps, xz):
    return xz + eps * xz**2


OFF = (quadratic_heavier, linear_heavier, eps_once)


@check()
def mean_over_weights(lab, kernel=wide):
    """One Gaussian neuron adds (1 + eps w.x)(1 + eps w.z) x.z; its mean is (10), at any width."""
    D, eps = sp.symbols("D epsilon")
    neuron = (1 + eps * form("w", "x")) * (1 + eps * form("w", "z")) * form("x", "z")
    K = form_mean(neuron, "w", variance=1, dimension=D)
    yield residue("surviving terms", K - kernel(eps, form("x", "z"))).equals(0)


@check()
def from_moments(lab, kernel=wide):
    """wbar = 0 and M = I in (5)."""
    eps, xz, wx, wz, xMz = sp.symbols("epsilon xz wx wz xMz")
    K = xz + eps * xz * (wx + wz) + eps**2 * xz * xMz
    gap = K.subs({wx: 0, wz: 0, xMz: xz}) - kernel(eps, xz)
    yield residue("surviving terms", gap).equals(0)


@check(lambda lab: [dict(D=D) for D in lab.pick(smoke=(2, 5), quick=(1, 2, 4, 8, 16))])
def balanced_network(lab, D, kernel=wide):
    """The 2D neurons +-sqrt(D) e_i have wbar = 0 and M = I exactly: torch differentiates them."""
    alpha, eps = 1.3, 0.8
    W = torch.cat([torch.eye(D), -torch.eye(D)]).to(lab.real(0.0)) * D**0.5
    x = lab.normal("x", 12, D) / D**0.5

    def outputs(at):
        h = x @ at["W"].mT
        return alpha * (h + eps / 2 * h**2).mean(-1)

    K = tangent_gram(outputs, {"W": W}) * len(W) / alpha**2
    claimed = kernel(eps, x @ x.mT)
    yield series(
        "kernel of a balanced network at one input",
        x=D,
        y=float(K[0, 0]),
        printed=float(claimed[0, 0]),
        xlabel="dimension D",
        ylabel="K(x, x) in units of alpha^2/N",
    )
    gap = float((K - claimed).abs().max() / K.abs().max())
    yield approx("relative deviation", gap).at_most(1e4 * torch.finfo(K.dtype).eps)


wide_kernel = Claim(
    id="kumar2024/wide-kernel",
    source=Source(PAPER, "equation (10)", "2310.06110"),
    title="The tangent kernel of a wide network at initialisation",
    statement=(
        r"With $\bar w = 0$ and $M = I$, and in the mean over $w_i \sim \mathcal{N}(0, I)$ at "
        r"every width, the tangent kernel is $x \cdot x' + \epsilon^2 (x \cdot x')^2$, in units of "
        r"$\frac{\alpha^2}{N}$."
    ),
    hypotheses=("units of alpha^2/N, which the paper leaves out",),
    uses=("kumar2024/kernel-by-moments",),
    checks=(mean_over_weights, from_moments, balanced_network),
    controls=tuple(
        line.but(kernel=off)
        for line in (mean_over_weights, from_moments, balanced_network)
        for off in OFF
    ),
    gap="That wbar -> 0 and M -> I as N grows is the law of large numbers, with the rates below.",
)


# How wide is wide, for w_i ~ N(0, sigma^2 I):
#   E |wbar|^2 = sigma^2 D / N,   E |M - sigma^2 I|_F^2 = sigma^4 D (D + 1) / N.
def mean_weight(D, N, sigma):
    return sigma**2 * D / N


def spread(D, N, sigma):
    return sigma**4 * D * (D + 1) / N


def spread_without_diagonal(D, N, sigma):
    return sigma**4 * D**2 / N


def half_spread(D, N, sigma):
    return sigma**4 * D * (D + 1) / (2 * N)


def mean_weight_heavier(D, N, sigma):
    return sigma**2 * (D + 1) / N


@check()
def by_counting_pairs(lab, mean=mean_weight, spread=spread):
    """N terms with i = j and N(N-1) with two independent neurons, all of D, N, sigma symbolic."""
    D, N, sigma = sp.symbols("D N sigma")

    def both(expr):
        for w in ("w", "v"):
            expr = form_mean(expr, w, variance=sigma**2, dimension=D)
        return expr

    one, two = form("w", "w"), form("w", "v")
    wbar2 = (N * both(one) + N * (N - 1) * both(two)) / N**2
    trM2 = (N * both(one**2) + N * (N - 1) * both(two**2)) / N**2
    away = trM2 - 2 * sigma**2 * both(one) + sigma**4 * D
    yield residue("terms left of |wbar|^2", wbar2 - mean(D, N, sigma)).equals(0)
    yield residue("terms left of |M - I|^2", away - spread(D, N, sigma)).equals(0)


@check(D=st.integers(1, 4), N=st.integers(1, 4), sigma=st.floats(0.1, 3))
def over_all_weights(lab, D, N, sigma, mean=mean_weight, spread=spread):
    """The 3^(DN) weights of an exact rule (cut to D N <= 6); nothing is sampled."""
    N = min(N, 6 // D)
    flat, mass = gauss_hermite(lab.real(0.0), N * D, variance=sigma**2)
    W = flat.reshape(-1, N, D)
    away = W.mT @ W / N - sigma**2 * torch.eye(D).to(W)
    measured = mass @ W.mean(1).square().sum(-1), mass @ away.square().sum((-1, -2))
    claimed = mean(D, N, sigma), spread(D, N, sigma)
    names = "ratio of |wbar|^2", "ratio of |M - I|^2"
    for name, seen, told in zip(names, measured, claimed, strict=True):
        ratio = float(seen) / told
        yield approx(name, abs(ratio - 1)).at_most(1e4 * torch.finfo(W.dtype).eps)


@check(lambda lab: [dict(N=N) for N in lab.pick(smoke=(2, 64), quick=(2, 8, 32, 128, 512, 2048))])
def at_sizes_of_the_figures(lab, N, spread=spread):
    """D = 40 as in Figure 4 (which has N = 2): the mean of 64 draws, good to a few per cent."""
    D, draws = 40, 64
    W = lab.normal("w", draws, N, D)
    away = float((W.mT @ W / N - torch.eye(D).to(W)).square().sum((-1, -2)).mean())
    wbar2 = float(W.mean(1).square().sum(-1).mean())
    yield row(
        N=N, D=D, wbar2=wbar2, predicted_wbar2=D / N, away=away, predicted_away=D * (D + 1) / N
    )
    yield series(
        "|M - I|_F^2 at initialisation, D = 40",
        x=N,
        y=away,
        printed=spread(D, N, 1),
        xlabel="width N",
        log="xy",
    )
    yield approx("relative gap at D = 40", abs(away / spread(D, N, 1) - 1)).at_most(0.4)


initial_moments = Claim(
    id="kumar2024/initial-moments",
    source=Source(PAPER, "beside Section 5, below equation (5)", "2310.06110"),
    title="How far wbar and M are from 0 and I at finite width",
    statement=(
        r"For $w_i \sim \mathcal{N}(0, \sigma^2 I)$: $\mathbb{E} |\bar w|^2 = "
        r"\frac{\sigma^2 D}{N}$ and $\mathbb{E} | M - \sigma^2 I |_F^2 = "
        r"\frac{\sigma^4 D (D+1)}{N}$. Against $|\sigma^2 I|_F^2 = \sigma^4 D$ that is "
        r"$\frac{D+1}{N}$: $M = I$ needs $N \gg D$, and at $D = 40$, $N = 2$ it is $20.5$."
    ),
    origin="ours",
    sharpens=("kumar2024/wide-kernel",),
    checks=(by_counting_pairs, over_all_weights, at_sizes_of_the_figures),
    controls=(
        by_counting_pairs.but(spread=spread_without_diagonal),
        by_counting_pairs.but(mean=mean_weight_heavier),
        over_all_weights.but(spread=spread_without_diagonal),
        over_all_weights.but(mean=mean_weight_heavier),
        at_sizes_of_the_figures.but(spread=half_spread),
    ),
    gap="At the sizes of the figures the mean of 64 draws, with a tolerance of ten deviations.",
)
