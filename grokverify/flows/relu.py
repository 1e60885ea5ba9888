"""Gradient flow of two-layer ReLU nets on addition modulo p, with weight decay or without.

``f(theta; a, b) = W2 relu(A_a + B_b + b1)``, the net of Lyu et al. 2024, eq. (1), with the first
layer split into its columns for the two one-hot inputs, under the mean cross-entropy. Published
runs take 1e7 to 1e8 steps of gradient descent, since the rate has to suit the start; the flow is
fast where little happens. Heun's method with error control follows it in ``tau = lambda t``
(some thousand steps for any lambda and scale); without weight decay gradients are scaled up by the
largest wrong share, and the time is summed in logarithms, since it reaches 10^500. Cost: three
products of n x h by h x p for a gradient, two gradients a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from grokverify.margins import SolverFailed
from grokverify.memory import chunks

Weights = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # A, B, b1, W2


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Pairs (a, b) of residues modulo p, and which of them train; the others test.

    Args:
        p: the modulus.
        chosen: (n,) numbers ``a p + b`` of the training pairs.
        labels: (p^2,) labels of all pairs where they are not the sums.
        memory: bytes for the work on some of the pairs, one at least; see ``Lab.memory``.

    Raises:
        ValueError: p below 2, no pair trains, or an index outside of p^2.
    """

    p: int
    chosen: torch.Tensor
    labels: torch.Tensor | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        top = int(self.chosen.max()) if len(self.chosen) else -1
        if self.p < 2 or not 0 <= top < self.p**2 or int(self.chosen.min()) < 0:
            raise ValueError(
                f"{len(self.chosen)} training pairs with numbers up to {top} do not fit addition "
                f"modulo {self.p}: choose at least one a p + b below p^2 = {self.p**2}, p >= 2."
            )

    def parts(self, count: int, like: torch.Tensor) -> Iterator[slice]:
        """``range(count)`` of pairs in parts; ``like``: (p, h), of the dtype of the weights."""
        numbers = 4 * like.shape[-1] + 3 * self.p  # before and after the ReLU and back; logits
        return chunks(count, numbers * like.element_size(), self.memory, like.device)

    def answers(self, pairs: torch.Tensor) -> torch.Tensor:
        """The labels of pairs given by their numbers."""
        if self.labels is not None:
            return self.labels[pairs]
        return (pairs // self.p + pairs % self.p) % self.p


@dataclass(frozen=True, slots=True)
class Reading:
    """One time of a run.

    Args:
        clock: tau = lambda t, or log10 t without weight decay.
        train, test: accuracies; log_loss: log of the mean cross-entropy on the training pairs.
        norm: of all weights.
    """

    clock: float
    train: float
    test: float
    log_loss: float
    norm: float


@dataclass(frozen=True, slots=True)
class Run:
    readings: tuple[Reading, ...]
    gradients: int

    def first(self, what: str, level: float) -> float:
        """When an accuracy first reaches a level; infinity if it never does."""
        return next((r.clock for r in self.readings if getattr(r, what) >= level), math.inf)


def he_start(A: torch.Tensor, B: torch.Tensor, W2: torch.Tensor, scale: float = 1.0) -> Weights:
    """Standard normal draws A, B (p, h) and W2 (p, h) at He's scale times ``scale``; b1 = 0."""
    p, h = A.shape
    one, two = scale * math.sqrt(2 / (2 * p)), scale * math.sqrt(2 / h)
    return one * A, one * B, torch.zeros_like(A[0]), two * W2


def decayed(
    data: Sums,
    start: Weights,
    lam: float,
    end: float,
    *,
    enough: float = math.inf,
    tol: float = 1e-2,
    steps: int = 100_000,
) -> Run:
    """The flow with weight decay lam until tau = end, or until the test accuracy is ``enough``.

    Raises:
        ValueError: lam, end or tol is not positive.
        SolverFailed: more steps than allowed, or weights that overflow.
    """
    if not (lam > 0 and end > 0 and 0 < tol < 1):
        raise ValueError(
            f"lambda = {lam}, end = {end} and tol = {tol} must be positive, tol below 1; without "
            "weight decay use undecayed()."
        )
    pull = _gradient(data)

    def velocity(theta: Weights) -> Weights:
        return _minus(_scaled(pull(theta, 0.0), 1 / lam), theta)

    theta, tau, step, taken, used = start, 0.0, 1e-9, 0, 0
    readings, due = [_read(data, theta, 0.0)], 0.0
    while tau < end:
        step = min(step, end - tau)
        k1 = velocity(theta)
        k2 = velocity(_moved(theta, k1, step))
        used += 2
        error = step / 2 * _size(_minus(k2, k1)) / _size(theta)
        if taken >= steps or step < 1e-18:  # NaN shrinks the step
            raise SolverFailed(_stopped(data, taken, "tau", tau, end))
        if error <= tol:
            theta = _moved(_moved(theta, k1, step / 2), k2, step / 2)
            tau, taken = tau + step, taken + 1
            if tau >= due or tau >= end:
                readings.append(_read(data, theta, tau))
                due = max(1.05 * tau, tau + 1e-6)
                if readings[-1].test >= enough:
                    break
        step *= min(2.0, max(0.2, 0.9 * math.sqrt(tol / max(error, 1e-12))))
    return Run(tuple(readings), used)


def undecayed(
    data: Sums, start: Weights, end: float, *, tol: float = 2e-3, steps: int = 100_000
) -> Run:
    """The flow without weight decay until log10 t = end.

    Raises:
        ValueError: tol is not in (0, 1).
        SolverFailed: more steps than allowed, or weights that overflow.
    """
    if not 0 < tol < 1:
        raise ValueError(f"tol = {tol} must be between 0 and 1, as it is relative to the weights.")
    pull = _gradient(data)
    theta, clock, taken, used, way = start, -math.inf, 0, 0, 1e-6
    readings, due = [_read(data, theta, clock)], -math.inf
    while clock < end:
        lift = _shift(data, theta)
        k1 = pull(theta, lift)
        step = way * _size(theta) / _size(k1)
        k2 = pull(_moved(theta, k1, step), lift)
        used += 2
        error = step / 2 * _size(_minus(k2, k1)) / _size(theta)
        if taken >= steps or not math.isfinite(step):
            raise SolverFailed(_stopped(data, taken, "log10 t", clock, end))
        if error <= tol:
            theta = _moved(_moved(theta, k1, step / 2), k2, step / 2)
            more = (math.log(step) + lift) / math.log(10)
            gap = abs(clock - more)
            clock = max(clock, more) + (math.log10(1 + 10**-gap) if gap < 300 else 0.0)
            taken += 1
            if clock >= due:
                readings.append(_read(data, theta, clock))
                due = clock + max(0.05, 0.02 * abs(clock))
        way *= min(2.0, max(0.2, 0.9 * math.sqrt(tol / max(error, 1e-12))))
        way = min(way, 0.1)
    return Run((*readings, _read(data, theta, clock)), used)


def _gradient(data: Sums) -> Callable[[Weights, float], Weights]:
    """Minus the gradient of the mean cross-entropy times e^shift."""
    p, n = data.p, len(data.chosen)
    a, b = data.chosen // p, data.chosen % p
    c = data.answers(data.chosen)

    def pull(theta: Weights, shift: float) -> Weights:
        A, _, _, W2 = theta
        gA, gB, gb, g2 = (torch.zeros_like(x) for x in theta)
        for some in data.parts(n, A):
            H = _hidden(theta, a[some], b[some])
            R = _pushed((W2 @ H.mT).mT, c[some], shift) / n  # half the time of H @ W2.mT
            g2 += R.mT @ H
            back = (R @ W2).mul_(H.sign_())  # 1 where the unit is on; torch.where is far slower
            gA.index_add_(0, a[some], back)
            gB.index_add_(0, b[some], back)
            gb += back.sum(0)
        return gA, gB, gb, g2

    return pull


def _pushed(F: torch.Tensor, c: torch.Tensor, shift: float) -> torch.Tensor:
    """e^shift (one-hot - softmax), exact where the label's share rounds to 1."""
    row = torch.arange(len(c), device=c.device)
    logs = torch.log_softmax(F, -1)
    logs[row, c] = -math.inf
    R = -torch.exp(logs + shift)
    R[row, c] = -R.sum(-1)
    return R


def _shift(data: Sums, theta: Weights) -> float:
    """Minus the log of the largest wrong share among the training pairs."""
    F, c = _outputs(data, theta, data.chosen)
    logs = torch.log_softmax(F, -1)
    logs[torch.arange(len(c), device=c.device), c] = -math.inf
    return -float(logs.max())


def _outputs(data: Sums, theta: Weights, pairs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    A, _, _, W2 = theta
    a, b = pairs // data.p, pairs % data.p
    F = [(W2 @ _hidden(theta, a[k], b[k]).mT).mT for k in data.parts(len(pairs), A)]
    return torch.cat(F), data.answers(pairs)


def _hidden(theta: Weights, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """relu(A_a + B_b + b1)."""
    A, B, bias, _ = theta
    return A.index_select(0, a).add_(B.index_select(0, b)).add_(bias).clamp_(min=0)


def _read(data: Sums, theta: Weights, clock: float) -> Reading:
    everything = torch.arange(data.p**2, device=data.chosen.device)
    F, c = _outputs(data, theta, everything)
    right = (F.argmax(-1) == c).to(F.dtype)
    seen = torch.zeros_like(c, dtype=torch.bool)
    seen[data.chosen] = True
    wrong = torch.logsumexp(
        F[seen].scatter(1, c[seen, None], -math.inf) - F[seen].gather(1, c[seen, None]), -1
    )
    loss = torch.nn.functional.softplus(wrong).log().where(wrong > -30, wrong)
    total = float(torch.logsumexp(loss, 0)) - math.log(len(loss))
    test = float(right[~seen].mean()) if bool((~seen).any()) else math.nan
    return Reading(clock, float(right[seen].mean()), test, total, _size(theta))


def _moved(theta: Weights, v: Weights, step: float) -> Weights:
    A, B, bias, W2 = (w.add(x, alpha=step) for w, x in zip(theta, v, strict=True))
    return A, B, bias, W2


def _scaled(v: Weights, by: float) -> Weights:
    A, B, bias, W2 = (x * by for x in v)
    return A, B, bias, W2


def _minus(u: Weights, v: Weights) -> Weights:
    return _moved(u, v, -1.0)


def _size(theta: Weights) -> float:
    return math.sqrt(sum(float((w * w).sum()) for w in theta))


def _stopped(data: Sums, taken: int, clock: str, at: float, end: float) -> str:
    return (
        f"the flow of a ReLU net on {len(data.chosen)} sums modulo {data.p} stopped at {clock} = "
        f"{at:.6g} of {end:.6g} after {taken} steps. Kinks of the ReLU make error control chatter: "
        "loosen tol, allow more steps, or start smaller."
    )
