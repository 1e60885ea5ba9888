"""Which kernels make an equivariant regression (Mohamadi et al. 2024, Definition 2.2, Theorem 2.4).

Kernel regression answers K(., t) K(t, t)^+ y. It is equivariant under a group G of permutations of
the inputs if moving the training inputs by T moves the answers by T. The theorem says: if and only
if K(Tx, Tx') = K(x, x') for all T in G. Its proof covers "if". The converse fails, since answers do
not change when K is multiplied by a constant on each part of X that it does not connect:

    equivariant  <=>  for each T there is c_T > 0, constant on the connected components of
                      {K != 0}, with K(Tx, Tx') = c_T(x) K(x, x').

Training sets of one point already force the right-hand side: there the answer is K(x', x)/K(x, x).
Cost: a few hundred rational kernels on up to three points, some twenty training sets each.
"""

import functools
import itertools
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, approx, check, exact, row, series
from grokverify.groups import random_relabelling
from grokverify.kernels import entk_limit, inputs, kernel_regression
from grokverify.linalg.rational import is_semidefinite, pseudo_inverse

PAPER = "Mohamadi et al., Why Do You Grok?"


# --- criteria:  what K has to satisfy for the permutation T ---------------------------------------


def moved(K, T):
    """The kernel (x, x') -> K(Tx, Tx')."""
    return K[np.ix_(T, T)]


def components(K):
    """The number of its connected component for every point of {K != 0}."""
    label = list(range(len(K)))
    for i, j in itertools.product(range(len(K)), repeat=2):
        if K[i, j] != 0:
            label = [label[i] if v == label[j] else v for v in label]
    return label


def invariant(K, T):
    return bool((moved(K, T) == K).all())


def up_to_components(K, T):
    """K(Tx, Tx') = c(x) K(x, x'), c > 0 and constant on components."""
    after, scale = moved(K, T), {}
    for i, part in enumerate(components(K)):
        if K[i, i] == 0 or after[i, i] == 0:
            if K[i, i] != after[i, i]:
                return False
        elif (
            scale.setdefault(part, Fraction(int(after[i, i]), int(K[i, i]))) * K[i, i]
            != after[i, i]
        ):
            return False
    c = [scale.get(part, 1) for part in components(K)]
    return all(after[i, j] == c[i] * K[i, j] for i, j in np.ndindex(K.shape))


def up_to_a_constant(K, T):
    """The same with one constant for all components."""
    i, j = next(iter(np.argwhere(K != 0)), (0, 0))
    after = moved(K, T)
    c = Fraction(int(after[i, j]), int(K[i, j])) if K[i, j] else Fraction(1)
    return c > 0 and bool((after == c * K).all())


def up_to_support(K, T):
    """K(Tx, Tx') vanishes where K(x, x') does."""
    return bool(((moved(K, T) == 0) == (K == 0)).all())


# --- all small kernels, all small training sets, exactly ------------------------------------------


def kernels_on(points):
    """Positive semi-definite whole kernels: diagonal 0..2, other entries -1..1 (-2..2 on two)."""
    upper = list(itertools.combinations(range(points), 2))
    reach = range(-2, 3) if points == 2 else range(-1, 2)
    for diagonal in itertools.product(range(3), repeat=points):
        for beside in itertools.product(reach, repeat=len(upper)):
            K = np.diag(diagonal)
            for (i, j), v in zip(upper, beside, strict=True):
                K[i, j] = K[j, i] = v
            if is_semidefinite(K):
                yield K


@functools.cache
def inverse(block):
    return pseudo_inverse(block)


def solution(K, t, ridge):
    """K(., t) (K(t, t) + ridge)^+"""
    block = K[np.ix_(t, t)] + ridge * np.eye(len(t), dtype=int)
    return K[:, t].astype(object) @ inverse(tuple(map(tuple, block.tolist())))


def answers(K, most, ridge):
    """The solution for every training set of up to ``most`` points, with repeats."""
    sets = (itertools.combinations_with_replacement(range(len(K)), n) for n in range(1, most + 1))
    return {t: solution(K, t, ridge) for t in itertools.chain(*sets)}


def equivariant(K, T, table):
    """The answer at T x after training on T t is the answer at x after training on t."""
    for t, A in table.items():
        image = [T[i] for i in t]
        order = sorted(range(len(t)), key=image.__getitem__)
        after = table[tuple(sorted(image))]
        if (after[list(T)] != A[:, order]).any():
            return False
    return True


def permutations(points):
    return list(itertools.permutations(range(points)))


def search(criterion, ridgeless=0):
    """Kernels and permutations for which the criterion and equivariance differ."""

    @check(lambda lab: [lab.pick(smoke=dict(up_to=2, most=3), quick=dict(up_to=3, most=3))])
    def all_small_kernels(lab, up_to, most, rule=criterion, ridge=ridgeless):
        total = 0
        for points in range(1, up_to + 1):
            pairs, off = 0, []
            for K in kernels_on(points):
                table = answers(K, most, ridge)
                for T in itertools.permutations(range(points)):
                    pairs += 1
                    if equivariant(K, T, table) != rule(K, T):
                        off.append((K.tolist(), T))
            total += len(off)
            yield row(points=points, pairs=pairs, wrong=len(off), first=str((*off, "none")[0]))
            yield series(
                "share of pairs (K, T) told wrongly", x=points, y=len(off) / pairs, printed=0,
                xlabel="points",
            )  # fmt: skip
        yield exact("pairs (K, T) told wrongly", total).equals(0)

    return all_small_kernels


# --- the paper's inputs and group, in float64:  K = w_c (kernel of infinite width) ----------------
# It vanishes unless c = c', so that the values of c are its components; w_c > 0 weighs them.


def by_invariance(K, after, c):
    return float((after - K).abs().max() / K.abs().max())


def by_components(K, after, c):
    """The same after the best constant for each c."""
    same = c[:, None] == c
    scale = [after[same & (c == v)].sum() / K[same & (c == v)].sum() for v in c.unique()]
    return float((after - torch.stack(scale)[c][:, None] * K).abs().max() / K.abs().max())


def on_the_task(rule):
    @check(p=st.integers(2, 5), n=st.integers(1, 30), most=st.floats(2, 9))
    def weighted_by_c(lab, p, n, most, defect=rule, coupled=0.0):
        T = random_relabelling(lab, p)
        a, b, c = x = inputs(p, torch.arange(p**3, device=lab.device))
        w = (1 + (most - 1) * torch.arange(p, device=lab.device) / (p - 1)).double()
        K = w[c][:, None] * entk_limit(x) + coupled * w[c][:, None] * w[c]
        a, b, c_ = T(a, b, c)
        to = a * p**2 + b * p + c_
        t, y = lab.integers("train", 0, p**3, n), lab.normal("y", n).double()
        plain = kernel_regression(K[t][:, t], y, K[:, t])
        turned = kernel_regression(K[to[t]][:, to[t]], y, K[:, to[t]])[to]
        apart = (plain - turned).abs().max() / y.abs().max()
        yield approx("relative change of the answers", apart, 1e-12).at_most(1e-7)
        yield approx("relative change of K", defect(K, K[to][:, to], c), 1e-12).at_most(1e-9)

    return weighted_by_c


SEARCHED = (
    "Exhaustive for whole kernels with diagonal up to 2 on up to three points and up to three "
    "training inputs with repeats"
)

_search, _task = search(invariant), on_the_task(by_invariance)
theorem_printed = Claim(
    id="mohamadi2024/equivariant-iff-invariant-printed",
    source=Source(PAPER, "Theorem 2.4", "2407.12332"),
    title="Kernel regression is equivariant if and only if its kernel is invariant",
    statement=r"Kernel regression with a positive semi-definite $K$ is "
    r"$\mathcal G_{\mathcal X}$-equivariant if and only if $K(Tx,Tx')=K(x,x')$ for all "
    r"$T\in\mathcal G_{\mathcal X}$ and $x,x'\in\mathcal X$.",
    checks=(_search, _task),
    controls=(
        _search.but(rule=up_to_components).must_hold(),
        _search.but(ridge=1).must_hold(),
        _task.but(defect=by_components).must_hold(),
    ),
    expect=Verdict.REFUTED,
    severity="S1",
    gap="Severity: lemma. Only the converse is false, and only the direct part is proved and used "
    "in the paper. Smallest counterexample: K = diag(1, 2) on two points, whose regression "
    "answers the mean label of a point, whatever the diagonal. With a ridge the theorem holds.",
)


# --- connected kernels, from training sets of one point:  K(x', x) / K(x, x) ----------------------


@check(points=st.integers(2, 7))
def connected_kernels(lab, points, connect=True):
    """Kernels as drawn and made invariant, each with a permutation of its own, not the identity."""
    wrong = 0
    for k in range(10):
        here = lab.at(k)
        drawn = (here.at(j).permutation("T", points).tolist() for j in itertools.count())
        T = next(T for T in drawn if sorted(T) != T)
        F = here.integers("F", 0, 4, points, 3).cpu().numpy()
        K = F @ F.T + np.eye(points, dtype=int)
        K = K + 1 if connect else np.diag(K.diagonal())
        orbit = [K]
        while (moved(orbit[-1], T) != K).any():
            orbit.append(moved(orbit[-1], T))
        for K in (orbit[0], sum(orbit)):
            d = K.diagonal()
            alike = bool((moved(K, T) * d[None, :] == K * d[T][None, :]).all())
            wrong += alike != bool((moved(K, T) == K).all())
    yield exact("connected kernels told wrongly", wrong).equals(0)


_search, _task = search(up_to_components), on_the_task(by_components)
theorem_corrected = Claim(
    id="mohamadi2024/equivariant-iff-invariant-up-to-components",
    source=Source(PAPER, "Theorem 2.4, corrected", "2407.12332"),
    title="Kernel regression is equivariant iff its kernel is invariant up to component scales",
    statement=r"On a finite $\mathcal X$, kernel regression with a positive semi-definite $K$ is "
    r"$\mathcal G_{\mathcal X}$-equivariant if and only if for each $T$ there is $c_T>0$, constant "
    r"on the connected components of $\{K\ne 0\}$, with $K(Tx,Tx')=c_T(x)K(x,x')$. If "
    r"$\{K\ne 0\}$ is connected, that is $K(Tx,Tx')=K(x,x')$.",
    hypotheses=("X is finite",),
    checks=(_search, _task, connected_kernels),
    controls=(
        _search.but(rule=invariant),
        _search.but(rule=up_to_a_constant),
        _search.but(rule=up_to_support),
        _task.but(defect=by_invariance),
        _task.but(coupled=0.1),
        connected_kernels.but(connect=False),
    ),
    corrects=("mohamadi2024/equivariant-iff-invariant-printed",),
    gap=SEARCHED + ", for each T alone, which decides it for every group. On the task's own "
    "inputs only kernels that c cuts into components are tried, in float64.",
)


# --- with a ridge the theorem holds as printed:  K(., t) (K(t, t) + lambda)^-1 y ------------------
# One point x: K(x', x) / (K(x, x) + lambda); at x' = x it tells K(x, x), and then every K(x', x).

_search = search(invariant, ridgeless=1)


@check(points=st.integers(1, 7), n=st.integers(1, 4))
def ridge_at_random(lab, points, n, ridge=1):
    # Diagonal kernels, the counterexamples of ridgeless regression, on random training sets.
    T, wrong = lab.permutation("T", points).tolist(), 0
    for k in range(10):
        d = lab.at(k).integers("diagonal", 1, 3, points).tolist()
        t = lab.at(k).integers("train", 0, points, n).tolist()
        image = [T[i] for i in t]
        alike = solution(np.diag(d), image, ridge)[T] == solution(np.diag(d), t, ridge)
        wrong += bool(alike.all()) == any(d[i] != d[T[i]] for i in t)
    yield exact("diagonal kernels told wrongly", wrong).equals(0)


with_a_ridge = Claim(
    id="mohamadi2024/ridge-equivariant-iff-invariant",
    source=Source(PAPER, "beside Theorem 2.4", "2407.12332"),
    origin="ours",
    title="Ridge regression is equivariant if and only if its kernel is invariant",
    statement=r"For a fixed ridge $\lambda>0$, regression with predictions "
    r"$K(\cdot,\mathbf x)(\mathbf K+\lambda I)^{-1}\mathbf y$ is "
    r"$\mathcal G_{\mathcal X}$-equivariant if and only if $K(Tx,Tx')=K(x,x')$: Theorem 2.4 as "
    r"printed.",
    checks=(_search, ridge_at_random),
    controls=(
        _search.but(ridge=0),
        _search.but(rule=up_to_components),
        ridge_at_random.but(ridge=0),
    ),
    gap=SEARCHED + " and lambda = 1; beyond that only diagonal kernels.",
)
