"""Kumar et al., Appendix 12: the spectrum of the kernel with readouts, the remark below (23).

Cost: 3^D nodes, D <= 5.
"""

import sympy as sp
import torch

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.forms import form, form_mean, trace
from grokverify.kernels import tangent_gram
from grokverify.quadrature import gauss_hermite
from grokverify.symbolic import residue

PAPER = "Kumar et al., Grokking as the Transition from Lazy to Rich Training Dynamics"
D, EPS = sp.symbols("D epsilon")

# (23)  K(x, z) = 2 x.z + 3 eps^2/2 (x.z)^2 + eps^2/4 |x|^2 |z|^2, inputs from N(0, I/D). Remark:
#       "quadratic functions have eigenvalues O(eps D^-2)". With tr A = 0, x'Ax has 3 eps^2/D^2; but
#       |x|^2 has eps^2 (D + 2)(D + 6)/(4 D^2), which does not fall with D at all.


def kernel(xz, xx, zz):
    return 2 * xz + 3 * EPS**2 * xz**2 / 2 + EPS**2 * xx * zz / 4


def T(g):
    K = kernel(form("x", "z"), form("x", "x"), form("z", "z"))
    return form_mean(sp.expand(K * g), "x", variance=1 / D, dimension=D)


def order(rational):
    """The exponent of D in a rational function of D as D grows."""
    top, bottom = sp.fraction(sp.together(rational))
    return int(sp.degree(top, D) - sp.degree(bottom, D))


def norm_form():
    """|x|^2"""
    return form("x", "x"), form("z", "z")


def traceless_form():
    """x'Ax with tr A = 0"""
    return form("x", "A", "x"), form("z", "A", "z")


@check()
def order_in_symbols(lab, of=norm_form):
    """T g / g, read off by division, and its order in D."""
    g, at = of()
    value = sp.cancel(T(g).subs(trace("A"), 0) / at)
    yield exact("order in D of the eigenvalue", order(value)).at_most(-2)


def spectrum_on_a_network(like, D, eps):
    """Eigenvalues, largest first, of (23) as the tangent kernel of a network over (v, w) nodes."""
    nodes, weight = gauss_hermite(like, D + 1)
    x, mass = gauss_hermite(like, D, variance=1 / D)

    def outputs(at):
        h = x @ at["W"].mT
        return (weight.sqrt() * at["v"] * (h + eps / 2 * h**2)).sum(-1)

    K = tangent_gram(outputs, {"v": nodes[:, 0], "W": nodes[:, 1:]})
    return torch.linalg.eigvalsh(mass.sqrt()[:, None] * K * mass.sqrt()).flip(0)


def top(seen, D):
    """At eps = 8 the largest eigenvalue is that of |x|^2."""
    return float(seen[0])


def next_one(seen, D):
    """Of the D(D+1)/2 - 1 equal ones behind it."""
    return float(seen[1])


@check(lambda lab: [dict(smallest=2)])
def order_on_networks(lab, smallest, of=top):
    """D^2 lambda / eps over D = 2, 3, 4: O(1) and flat if the remark holds, else it climbs."""
    eps, scaled = 8.0, []
    for D in (2, 3, 4):
        value = of(spectrum_on_a_network(lab.real(0.0), D, eps), D)
        scaled.append(D**2 * value / eps)
        yield row(D=D, eigenvalue=value, scaled=scaled[-1])
        yield series(
            "D^2 lambda / eps of the largest quadratic eigenvalue, eps = 8",
            x=D,
            y=scaled[-1],
            printed=3 * eps,
            xlabel="dimension D",
        )
    yield approx("growth of D^2 lambda from D = 2 to 4", scaled[-1] / scaled[0]).at_most(1.05)


readout_spectrum_printed = Claim(
    id="kumar2024/readout-spectrum-printed",
    source=Source(PAPER, "below equation (23)", "2310.06110"),
    title="With readouts all quadratic eigenvalues are O(eps/D^2), as printed",
    statement=(
        r"Under (23) the eigenvalues of quadratic functions are $O(\epsilon D^{-2})$ as $D$ grows."
    ),
    expect=Verdict.REFUTED,
    checks=(order_in_symbols, order_on_networks),
    controls=(
        order_in_symbols.but(of=traceless_form).must_hold(),
        order_on_networks.but(of=next_one).must_hold(),
    ),
    severity="S1",
    gap=(
        "Severity: lemma. True of traceless forms (with eps^2 for eps); |x|^2 has an eigenvalue of "
        "order eps^2, above the linear 2/D once eps^2 exceeds about 8/D, so that the bias towards "
        "linear functions is lost there."
    ),
)


# --- what holds --------------------------------------------------------------------------------
def spectrum(D, eps):
    """Eigenvalue, multiplicity."""
    return (
        (2 / D, D),
        (3 * eps**2 / D**2, D * (D + 1) / 2 - 1),
        (eps**2 * (D + 2) * (D + 6) / (4 * D**2), 1),
    )


def traceless_off(D, eps):
    linear, (value, count), norm = spectrum(D, eps)
    return linear, (value * 2 / 3, count), norm


def norm_off(D, eps):
    linear, traceless, (value, count) = spectrum(D, eps)
    return linear, traceless, (value * (D + 5) / (D + 6), count)


def linear_off(D, eps):
    (value, count), traceless, norm = spectrum(D, eps)
    return (value / 2, count), traceless, norm


@check()
def in_any_dimension(lab, values=spectrum):
    """Arbitrary u and symmetric A, D symbolic; the trace shows that nothing is missing."""
    (linear, _), (traceless, _), (norm, _) = values(D, EPS)
    yield residue("terms left of u.x", T(form("u", "x")) - linear * form("u", "z")).equals(0)
    part = (norm - traceless) / D * trace("A") * form("z", "z")
    gap = T(form("x", "A", "x")) - traceless * form("z", "A", "z") - part
    yield residue("terms left of x'Ax", gap).equals(0)
    xx = form("x", "x")
    total = form_mean(sp.expand(kernel(xx, xx, xx)), "x", variance=1 / D, dimension=D)
    gap = total - sum(value * count for value, count in values(D, EPS))
    yield residue("terms left of the trace", gap).equals(0)


@check(lambda lab: [dict(D=D) for D in lab.pick(smoke=(2,), quick=(1, 2, 3, 4))])
def on_networks(lab, D, values=spectrum):
    eps = 1.5
    seen = spectrum_on_a_network(lab.real(0.0), D, eps)
    listed = sorted((v for v, n in values(D, eps) for _ in range(round(n))), reverse=True)
    told = torch.zeros_like(seen)
    told[: len(listed)] = seen.new_tensor(listed[: len(seen)])
    yield series(
        f"eigenvalues with readouts, D={D}",
        x=list(range(1, len(listed) + 1)),
        y=seen[: len(listed)],
        printed=told[: len(listed)],
        xlabel="index",
        ylabel="eigenvalue, eps = 1.5",
        log="y",
    )
    gap = float((seen - told).abs().max() / seen[0])
    yield approx("largest gap", gap).at_most(1e4 * torch.finfo(seen.dtype).eps)


readout_spectrum = Claim(
    id="kumar2024/readout-spectrum",
    source=Source(PAPER, "below equation (23)", "2310.06110"),
    title="The Mercer spectrum of the initial kernel with readouts",
    statement=(
        r"Under (23) and $x \sim \mathcal{N}(0, I/D)$ the nonzero eigenvalues are $\frac{2}{D}$ "
        r"($D$ times, linear functions), $\frac{3\epsilon^2}{D^2}$ ($\frac{D(D+1)}{2} - 1$ times, "
        r"$x^\top A x$ with $\operatorname{Tr} A = 0$) and $\frac{\epsilon^2 (D+2)(D+6)}{4 D^2}$ "
        r"(once, $|x|^2$)."
    ),
    origin="ours",
    corrects=("kumar2024/readout-spectrum-printed",),
    uses=("kumar2024/readout-kernel",),
    checks=(in_any_dimension, on_networks),
    controls=tuple(
        line.but(values=off)
        for line in (in_any_dimension, on_networks)
        for off in (traceless_off, norm_off, linear_off)
    ),
    gap="Completeness from the trace of a positive kernel is argued in words.",
)
