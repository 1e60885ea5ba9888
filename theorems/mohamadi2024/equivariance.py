"""How relabelled symbols act on the weights (Mohamadi et al. 2024, Appendix C).

With T = (s1, s2, s3) acting on inputs by T(a, b, c) = (s1(a), s2(b), s3(c)), Definition C.3 asks
for an action tau(T) on U = (W, V) that keeps the network's values (Lemma C.5) and carries
gradients along (Lemma C.6). The text that we read prints

    W'_{i,j} = W_{i,s1(j)},   W'_{i,j+p} = W_{i,s2(j)},   V'_{s3(j),i} = V_{j,i}:

the second line has lost "+p" on the right, and W is moved by the inverses of s1, s2, V by s3
itself. The proof of Lemma C.5 uses W'_{i,s1(j)} = W_{i,j}, W'_{i,p+s2(j)} = W_{i,p+j}.
Cost: (p!)^3 p^3 h integer operations for a group, seconds at p = 4.
"""

import numpy as np
import torch
from hypothesis import strategies as st

from grokverify import Claim, Source, Verdict, check, exact, row, series
from grokverify.groups import (
    Relabelling,
    differing,
    homomorphism_defects,
    inverse,
    random_relabelling,
    relabel,
    relabellings,
)
from grokverify.nets import quadratic
from grokverify.training import gradient_of
from grokverify.worked import given, unequal

PAPER = "Mohamadi et al., Why Do You Grok?"
SHARE = "share of the group that changes some value of g"
SHARE_OF_PAIRS = "share of pairs with tau(ST) != tau(S) tau(T)"
WIDTH = 2  # two neurons: one would do, since g is a sum over neurons


def printed(T, theta):
    """W'_{i,j} = W_{i,s1(j)},  W'_{i,j+p} = W_{i,s2(j)},  V'_{s3(j),i} = V_{j,i}."""
    W, V = theta
    return W[:, [*T.sigma1, *T.sigma2]], V[list(inverse(T.sigma3)), :]


def offset_mended(T, theta):
    """W'_{i,j} = W_{i,s1(j)},  W'_{i,j+p} = W_{i,p+s2(j)},  V'_{s3(j),i} = V_{j,i}."""
    W, V = theta
    return W[:, [*T.sigma1, *(T.p + j for j in T.sigma2)]], V[list(inverse(T.sigma3)), :]


def rows_by_inverse(T, theta):
    """The corrected action of the columns of W, with V'_{j,i} = V_{s3(j),i}."""
    return relabel(T, theta)[0], theta[1][list(T.sigma3), :]


def halves_together(T, theta):
    """The corrected action, but s1 moves both halves of W."""
    return relabel(Relabelling(T.sigma1, T.sigma1, T.sigma3), theta)


def whole_weights(lab, p, h, size=1000):
    """Numpy integers: every value and gradient below is exact."""
    W, V = lab.integers("W", -size, size, h, 2 * p), lab.integers("V", -size, size, p, h)
    return W.cpu().numpy(), V.cpu().numpy()


def whole_tensors(lab, p, h):
    return tuple(lab.real(x).double() for x in whole_weights(lab, p, h))


def every_element(lab):
    """The group at p = 3, elements that move few symbols first: the first failure is minimal."""
    return [dict(zip(("s1", "s2", "s3"), map(list, T.parts), strict=True)) for T in relabellings(3)]


# --- Lemma C.5:  g(U; x) = g(tau(T) U; T x) -----------------------------------------------------


def g(theta, a, b, c):
    """g(U; (a, b, c)) = sum_i V_ci (W_ia + W_i,p+b)^2, exactly."""
    W, V = theta
    p = V.shape[0]
    return sum(V[c, i] * (W[i, a] + W[i, p + b]) ** 2 for i in range(len(W)))


def value_checks(tau):
    @check(every_element)
    def values(lab, s1, s2, s3, act=tau):
        T, theta = Relabelling(s1, s2, s3), tuple(map(given, whole_weights(lab, 3, WIDTH)))
        moved, points = act(T, theta), list(np.ndindex(3, 3, 3))
        both = [g(theta, *x) for x in points], [g(moved, *T(*x)) for x in points]
        yield exact("inputs whose value changes", unequal(*both)).equals(0)

    @check(lambda lab: [{"up_to": lab.pick(smoke=3, quick=4)}])
    def values_over_groups(lab, up_to, act=tau):
        broken = {}
        for p in range(2, up_to + 1):
            W, V = theta = whole_weights(lab, p, WIDTH)
            a, b = (i.ravel() for i in np.indices((p, p)))
            before, group = quadratic(W, V, a, b).reshape(p, p, p), relabellings(p)
            broken[p] = 0
            for T in group:
                after = quadratic(*act(T, theta), a, b).reshape(p, p, p)
                broken[p] += not np.array_equal(before, after[np.ix_(*T.parts)])
            yield row(p=p, elements=len(group), broken=broken[p], printed=0)
            yield series(SHARE, x=p, y=broken[p] / len(group), printed=0, xlabel="p")
        yield exact("elements that change some value", sum(broken.values())).equals(0)

    # On torch tensors of whole numbers below 2^53, where float64 makes no rounding error.
    @check(p=st.integers(3, 13), h=st.integers(1, 16))
    def values_at_random(lab, p, h, act=tau):
        T, theta = random_relabelling(lab, p), whole_tensors(lab, p, h)
        a, b, c = (lab.integers(k, 0, p, 4 * p) for k in "abc")
        at = torch.arange(4 * p, device=a.device)
        (a_, b_, c_), moved = T(a, b, c), act(T, theta)
        both = quadratic(*theta, a, b)[at, c], quadratic(*moved, a_, b_)[at, c_]
        yield exact("values that change", differing(both[:1], both[1:])).equals(0)

    return values, values_over_groups, values_at_random


# --- Lemma C.6:  tau(T) grad g(U; x) = grad g(tau(T) U; T x) -------------------------------------


def gradient(theta, a, b, c):
    """dg/dV_ci = z_i^2 and dg/dW_ia = dg/dW_i,p+b = 2 V_ci z_i, with z_i = W_ia + W_i,p+b."""
    W, V = theta
    p = V.shape[0]
    z = W[:, a] + W[:, p + b]
    dW, dV = np.zeros_like(W), np.zeros_like(V)
    dW[:, a] = dW[:, p + b] = 2 * V[c] * z
    dV[c] = z * z
    return dW, dV


def gradient_checks(tau):
    @check(every_element)
    def gradients(lab, s1, s2, s3, act=tau):
        T, theta = Relabelling(s1, s2, s3), whole_weights(lab, 3, WIDTH)
        moved, wrong = act(T, theta), 0
        for x in np.ndindex(3, 3, 3):
            wrong += differing(act(T, gradient(theta, *x)), gradient(moved, *T(*x)))
        yield exact("gradient entries that differ", wrong).equals(0)

    @check(p=st.integers(3, 11), h=st.integers(1, 8))
    def gradients_by_autograd(lab, p, h, act=tau):
        T, theta = random_relabelling(lab, p), whole_tensors(lab, p, h)
        x = tuple(lab.integers(k, 0, p, 2 * p) for k in "abc")
        k = lab.integers("k", 1, 9, 2 * p).double()  # a whole combination of the gradients
        at = torch.arange(2 * p, device=k.device)

        def slope(a, b, c):
            return gradient_of(lambda U: (k * quadratic(*U, a, b)[at, c]).sum())

        wrong = differing(act(T, slope(*x)(theta)), slope(*T(*x))(act(T, theta)))
        yield series("entries that differ", x=3 * p * h, y=wrong, printed=0, xlabel="parameters")
        yield row(p=p, h=h, parameters=3 * p * h, wrong=wrong)
        yield exact("entries that differ", wrong).equals(0)

    return gradients, gradients_by_autograd


# --- Theorem C.2 (1), Remark C.4:  tau(S T) = tau(S) tau(T), and tau is one to one ---------------


def isomorphism_checks(tau):
    # If tau(s T) = tau(s) tau(T) for all T and every s of a generating set, then for all s.
    @check({"up_to": 3})
    def composition(lab, up_to, act=tau):
        wrong = shared = 0
        for p in range(2, up_to + 1):
            group = relabellings(p)
            pairs = [(S, T) for S in group if S.moved == 2 for T in group]
            W, V = np.split(lab.permutation("numbers", 3 * p).cpu().numpy(), [2 * p])
            theta = W.reshape(1, -1), V.reshape(-1, 1)  # one neuron, all weights different
            bad = len(homomorphism_defects(act, pairs, theta))
            images = {tuple(x.tobytes() for x in act(T, theta)) for T in group}
            wrong, shared = wrong + bad, shared + len(group) - len(images)
            yield row(p=p, pairs=len(pairs), wrong=bad, elements=len(group), images=len(images))
            yield series(SHARE_OF_PAIRS, x=p, y=bad / len(pairs), printed=0, xlabel="p")
        yield exact("pairs that do not compose", wrong).equals(0)
        yield exact("elements that share their image", shared).equals(0)

    @check(p=st.integers(3, 13), h=st.integers(1, 8))
    def composition_at_random(lab, p, h, act=tau):
        S, T = random_relabelling(lab, p, "S"), random_relabelling(lab, p, "T")
        theta = lab.normal("W", h, 2 * p), lab.normal("V", p, h)
        wrong = differing(act(S.after(T), theta), act(S, act(T, theta)))
        yield exact("entries with tau(ST) != tau(S) tau(T)", wrong).equals(0)

    return composition, composition_at_random


def against(checks, *wrong):
    return tuple(c.but(act=act) for c in checks for act in wrong)


def backed(checks):  # the same code has to hold for the corrected action
    return tuple(c.must_hold() for c in against(checks, relabel))


AS_PRINTED = (
    r"$\tau(T)(W,V)=(W',V')$ with $W'_{i,j}=W_{i,\sigma_1(j)}$, $W'_{i,j+p}=W_{i,\sigma_2(j)}$, "
    r"$V'_{\sigma_3(j),i}=V_{j,i}$"
)
CORRECTED = (
    r"$\tau(T)(W,V)=(W',V')$ with $W'_{i,\sigma_1(j)}=W_{i,j}$, "
    r"$W'_{i,p+\sigma_2(j)}=W_{i,p+j}$, $V'_{\sigma_3(j),i}=V_{j,i}$"
)
C5 = r"$g(U;x)=g(\tau(T)U;Tx)$ for all $T$, $U$ and $x$"
C6 = r"$\tau(T)\,\nabla_U g(U;x)=\nabla_U g(\tau(T)U;Tx)$ for all $T$, $U$ and $x$"
C4 = r"$\tau(ST)=\tau(S)\tau(T)$ for all $S$, $T$, and $\tau$ is one to one"
POINTS = "Polynomial identities, tested in exact arithmetic at random whole weights."
READ = "Severity: slip. Formula as in the text we read, a public LaTeX conversion."

_values, _mended = value_checks(printed), value_checks(offset_mended)
lemma_c5_printed = Claim(
    id="mohamadi2024/lemma-c5-as-printed",
    source=Source(PAPER, "Definition C.3, Lemma C.5", "2407.12332"),
    title="The printed weight action keeps the values of the network",
    statement=f"{AS_PRINTED}: {C5}.",
    checks=_values,
    controls=backed(_values),
    expect=Verdict.REFUTED,
    gap=READ + " Already the identity T changes values; the proof uses the corrected action.",
)

lemma_c5_offset_mended = Claim(
    id="mohamadi2024/lemma-c5-offset-mended",
    source=Source(PAPER, "Definition C.3, Lemma C.5", "2407.12332"),
    title="The printed weight action with its missing offset put back keeps the values",
    statement=r"$\tau(T)(W,V)=(W',V')$ with $W'_{i,j}=W_{i,\sigma_1(j)}$, "
    r"$W'_{i,p+j}=W_{i,p+\sigma_2(j)}$, $V'_{\sigma_3(j),i}=V_{j,i}$: " + C5 + ".",
    checks=_mended,
    controls=backed(_mended),
    origin="ours",
    expect=Verdict.REFUTED,
    gap="Severity: slip, as we would mend it. It holds where s1 and s2 are involutions.",
)

_values = value_checks(relabel)
network_invariance = Claim(
    id="mohamadi2024/network-invariance",
    source=Source(PAPER, "Lemma C.5, as its proof has it", "2407.12332"),
    title="The corrected weight action keeps the values of the network",
    statement=f"{CORRECTED}: {C5}.",
    checks=_values,
    controls=against(_values, offset_mended, rows_by_inverse, halves_together),
    corrects=("mohamadi2024/lemma-c5-as-printed", "mohamadi2024/lemma-c5-offset-mended"),
    gap=POINTS,
)

_gradients = gradient_checks(printed)
lemma_c6_printed = Claim(
    id="mohamadi2024/lemma-c6-as-printed",
    source=Source(PAPER, "Definition C.3, Lemma C.6", "2407.12332"),
    title="The printed weight action carries gradients to gradients",
    statement=f"{AS_PRINTED}: {C6}.",
    checks=_gradients,
    controls=backed(_gradients),
    expect=Verdict.REFUTED,
    gap=READ,
)

_gradients = gradient_checks(relabel)
gradient_equivariance = Claim(
    id="mohamadi2024/gradient-equivariance",
    source=Source(PAPER, "Lemma C.6, with the corrected action", "2407.12332"),
    title="The corrected weight action carries gradients to gradients",
    statement=f"{CORRECTED}: {C6}.",
    checks=_gradients,
    controls=against(_gradients, offset_mended, rows_by_inverse, halves_together),
    uses=("mohamadi2024/network-invariance",),
    corrects=("mohamadi2024/lemma-c6-as-printed",),
    gap=POINTS,
)

_group = isomorphism_checks(printed)
remark_c4_printed = Claim(
    id="mohamadi2024/remark-c4-as-printed",
    source=Source(PAPER, "Theorem C.2 (1), Definition C.3, Remark C.4", "2407.12332"),
    title="The printed weight action is an isomorphism of groups",
    statement=f"{AS_PRINTED}: {C4}.",
    checks=_group,
    controls=backed(_group),
    expect=Verdict.REFUTED,
    gap=READ + " Remark C.4 only says one to one; Theorem C.2 (1) asks that tau composes.",
)

_group = isomorphism_checks(relabel)
weight_action = Claim(
    id="mohamadi2024/weight-action-isomorphism",
    source=Source(PAPER, "Theorem C.2 (1), Remark C.4, with the corrected action", "2407.12332"),
    title="The corrected weight action is an isomorphism of groups",
    statement=f"{CORRECTED}: {C4}.",
    checks=_group,
    controls=against(_group, offset_mended, rows_by_inverse)
    + against(_group[:1], halves_together),  # composes, but is not one to one
    corrects=("mohamadi2024/remark-c4-as-printed",),
    gap="All elements at p = 2 and 3, random pairs up to p = 13.",
)
