"""How likely the eNTK is singular for bounded weights (Mohamadi et al. 2024, Proposition B.4).

    |w| <= s_W almost surely, E w = E w^3 = 0, E w^2 = sigma_W^2
        =>  P(K_theta is singular) <= n exp(-4 h sigma_W^4 / (16 s_W^4 rho_c)),

which is at most delta once h > 4 (s_W / sigma_W)^4 rho_c log(n / delta). The kernel is
K = J + sum_k L_k with J positive semi-definite and absent for V = 0, so V = 0 is the hardest V;
there K is singular iff, for some c, the h vectors ((Q_ka + R_kb)^2)_(a,b) fail to span.
For weights with finitely many values that is a Markov chain on subspaces: exact probabilities.
Cost: a few thousand small kernels at rho_c = 6; h n^2 operations a draw.
"""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from grokverify import Claim, Source, approx, check, exact, row, series, stats
from grokverify.kernels import entk_singular, inputs, most_frequent
from grokverify.linalg.exact import kernel

PAPER = "Mohamadi et al., Why Do You Grok?"
CONSTANT = 16  # of the proposition: ||L_k|| <= 16 s_W^4 rho_c


@dataclass(frozen=True)
class Law:
    """A symmetric law: values and their probabilities; its largest value and its variance."""

    values: tuple[int, ...]
    chances: tuple[Fraction, ...]

    @property
    def bound(self):
        return max(self.values)

    @property
    def variance(self):
        return sum(v * v * chance for v, chance in zip(self.values, self.chances, strict=True))

    @property
    def ratio(self):
        """sigma_W^4 / s_W^4, at most 1."""
        return self.variance**2 / Fraction(self.bound) ** 4


LAWS = {
    "signs": Law((-1, 1), (Fraction(1, 2),) * 2),
    "signs or zero": Law((-1, 0, 1), (Fraction(1, 4), Fraction(1, 2), Fraction(1, 4))),
    "two sizes": Law((-2, -1, 1, 2), (Fraction(1, 4),) * 4),
}


def chernoff(n, rho, h, ratio, constant):
    """n exp(-4 h sigma^4 / (constant s^4 rho_c))."""
    return n * math.exp(-4 * h * float(ratio) / (constant * rho))


# --- exactly, at V = 0, for all inputs of a box A x B with one c ---------------------------------


def lines(law, A, B):
    """Law of the line through ((Q_a + R_b)^2)_(a,b): chance of the zero vector, of each line."""
    chances = {}
    for atom in itertools.product(range(len(law.values)), repeat=A + B):
        w = [law.values[i] for i in atom]
        phi = [(q + r) ** 2 for q in w[:A] for r in w[A:]]
        size = math.gcd(*phi) or 1
        key = tuple(v // size for v in phi)
        chances[key] = chances.get(key, 0) + math.prod(law.chances[i] for i in atom)
    zero = chances.pop((0,) * (A * B), Fraction(0))
    return zero, list(chances), list(chances.values())


def chance_of_not_spanning(law, A, B, widths):
    """P(h independent vectors do not span R^(A B)), exactly, for each h in widths."""
    zero, vectors, chances = lines(law, A, B)
    phi = np.array(vectors, dtype=object).T
    unit = math.lcm(*(chance.denominator for chance in (zero, *chances)))
    zero, chances = int(zero * unit), [int(chance * unit) for chance in chances]
    onward = {}  # span -> where each line outside leads to; a span is the set of lines inside it

    def steps(members):
        # y . phi for all y orthogonal to the span: lines that agree there give the same new span
        seen = kernel(phi[:, list(members)].T).T @ phi
        to = {}
        for i in set(range(len(vectors))) - set(members):
            t = np.flatnonzero(seen[:, i])[0]
            same = ~np.any(seen * seen[t, i] != np.outer(seen[:, i], seen[t]), axis=0)
            to[i] = tuple(np.flatnonzero(same).tolist())
        return to

    everything = tuple(range(len(vectors)))
    now, missing = {(): 1}, {}  # chances of the spans, in units of unit^-h
    for h in range(1, max(widths) + 1):
        after = {}
        for members, chance in now.items():
            if members not in onward:
                onward[members] = steps(members)
            held = zero + sum(chances[i] for i in members)
            after[members] = after.get(members, 0) + chance * held
            for i, span in onward[members].items():
                if span != everything:
                    after[span] = after.get(span, 0) + chance * chances[i]
        now = after
        missing[h] = Fraction(sum(now.values()), unit**h)
    return [missing[h] for h in widths]


def boxes(lab):
    few = [("signs", 1, 1), ("signs or zero", 1, 1), ("signs", 2, 2)]
    more = [("two sizes", 1, 1), ("signs or zero", 2, 1), ("signs", 2, 3)]
    chosen = lab.pick(smoke=few, quick=few + more)
    return [dict(law=law, A=A, B=B) for law, A, B in chosen]


@check(boxes)
def exact_probability(lab, law, A, B, constant=CONSTANT):
    rho, weights = A * B, LAWS[law]
    first = math.floor(4 * rho * math.log(rho) / float(weights.ratio)) + 1
    widths = sorted({1, rho, 2 * rho, first, first + 3 * rho, first + 9 * rho})
    for h, chance in zip(widths, chance_of_not_spanning(weights, A, B, widths), strict=True):
        bound = chernoff(rho, rho, h, weights.ratio, constant)
        # the float bound is lowered by more than its rounding error
        yield exact("P(singular)", chance).at_most(bound * (1 - 1e-12))
        if h >= rho:  # below, the kernel is singular for want of columns
            needed = 4 * h * float(weights.ratio) / (rho * math.log(rho / chance))
            yield approx("constant that this case needs", needed, 1e-9).beside(printed=CONSTANT)
            yield row(law=law, rho_c=rho, h=h, P=f"{float(chance):.3g}", bound=f"{bound:.3g}")
            yield series(
                f"rho_c = {rho}", x=h, y=float(chance), printed=bound,
                plot=f"P(singular), {law}", xlabel="width h", ylabel="probability", log="y",
            )  # fmt: skip


# --- by drawing whole networks, any V, whole kernels ---------------------------------------------


def networks(lab):
    few = [
        dict(law="signs", p=2, n=1, V="zero", delta=0.05),
        dict(law="signs", p=3, n=9, V="zero", delta=0.1),
        dict(law="uniform", p=2, n=5, V="gaussian", delta=0.1),
    ]
    more = [
        dict(law="signs", p=2, n=8, V="gaussian", delta=0.1),
        dict(law="signs or zero", p=2, n=3, V="zero", delta=0.2),
        dict(law="two sizes", p=3, n=6, V="zero", delta=0.1),
    ]
    return lab.pick(smoke=few, quick=few + more)


@check(networks)
def drawn(lab, law, p, n, V, delta, constant=CONSTANT):
    x = inputs(p, lab.subset("inputs", p**3, n))
    ratio = Fraction(1, 9) if law == "uniform" else LAWS[law].ratio  # sigma^2 = s^2 / 3
    rho = most_frequent(x[2])
    h = math.floor(constant * rho * math.log(n / delta) / (4 * float(ratio))) + 1
    second = lab.normal("V", p, h) if V == "gaussian" else lab.real(np.zeros((p, h)))

    def draws(lab, trials):
        shape = (trials, h, 2 * p)
        if law == "uniform":
            W = lab.uniform("W", *shape)
        else:
            weights = LAWS[law]
            chances = [float(chance) for chance in weights.chances]
            W = lab.real(lab.generator("W").choice(weights.values, size=shape, p=chances))
        return entk_singular(W, second, x, memory=lab.memory)

    yield stats.decide("P(K_theta is singular)", draws, lab=lab, at_most=delta)
    yield row(law=law, p=p, n=n, rho_c=rho, V=V, delta=delta, width=h)


bounded_width = Claim(
    id="mohamadi2024/bounded-weights-width",
    title="Singular eNTK: the Chernoff bound for bounded weights",
    source=Source(PAPER, "Proposition B.4", "2407.12332"),
    statement=r"On $n$ distinct inputs of which $\rho_c$ share the most frequent $c$, "
    r"$\Pr(K_\theta \text{ is singular}) \le n \exp\left(-\frac{4 h \sigma_W^4}{16\, s_W^4\, "
    r"\rho_c}\right)$, which is at most $\delta$ once "
    r"$h > 4 \frac{s_W^4}{\sigma_W^4} \rho_c \log\frac{n}{\delta}$.",
    hypotheses=(
        r"the entries of $W$ are iid with mean and skewness zero and variance $\sigma_W^2 > 0$",
        r"$|w| \le s_W$ almost surely",
        r"$V$ is fixed",
    ),
    checks=(exact_probability, drawn),
    controls=(exact_probability.but(constant=5), drawn.but(constant=4)),
    gap="Exact only for laws on a few integers and boxes of at most six inputs; there the bound "
    "survives with 16 replaced by 4 / log 2 = 5.77, attained at n = 1 by fair signs.",
)
