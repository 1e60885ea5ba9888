"""Gradient descent of the quadratic committee machine (Kumar et al. 2024, eq. 3), reduced exactly.

    f(x) = alpha/N sum_i (h_i + eps/2 h_i^2),  h = W x,    y(x) = x' T x / 2,    x ~ N(0, I/D)

on P inputs with the mean square error, at the rate ``rate N / alpha^2``. With residuals r = f - y,
``s = X' r``, ``S = X' diag(r) X`` and ``c = 2 rate / (alpha P)`` one step reads

    W <- W (I - c eps S) - c 1 s',    so that    W_t = W_0 A_t + 1 b_t'.

The weights never leave the span of the columns of (W_0, 1). An orthonormal basis Q of it turns N
neurons into at most D + 1: ``W_t = sqrt(N) Q Z_t`` and ``1 = sqrt(N) Q u``, hence
``wbar = Z' u``, ``M = Z' Z``, ``|W|^2 = N |Z|^2``; N enters through the start alone. Momentum and
decay keep the span. Completing the square gives the cheap form that is stepped here:

    f(x) = alpha/(2 eps) (|u + eps Z x|^2 - |u|^2),    Z <- Z - c sum_mu r_mu (u + eps Z x_mu) x_mu'

(eps must not be 0; rounding in f grows like alpha/eps times the unit roundoff). Two products of
P (D + 1) D operations a step. Test losses are expectations over x in closed form (eq. 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from grokverify._lab import Lab
from grokverify.flows._stacked import Stack, copies
from grokverify.flows.linearised import Twin, bytes_each, moments, population_loss
from grokverify.memory import chunks

_CHUNK = 2**18  # hidden activations of one chunk of the batch: 2 MB, what a core caches
_LOST = 1e9  # a run whose train loss is above this many null losses has diverged
_DONE = 1e-13  # a run whose train loss is below this fraction of the null loss has stopped moving


@dataclass(frozen=True, slots=True)
class Problem:
    """B training problems, each with its data, target and start.

    Args:
        X: (B, P, D) inputs.
        target: (B, D, D) symmetric T; the labels are ``x' T x / 2`` (T = b b' in the paper).
        Z: (B, m, D) start in the reduced coordinates, see ``compress``.
        u: (B, m) the vector of ones in the same coordinates.
        alpha, eps: (B,) output scale and weight of the quadratic part, not 0.
        centred: whether the output at the start is taken off (eq. 7 of the paper).
        labels: (B, P) training labels other than those of the target, for example shuffled ones.
        memory: bytes for the work on some of the problems, one at least; see ``Lab.memory``.
    """

    X: torch.Tensor
    target: torch.Tensor
    Z: torch.Tensor
    u: torch.Tensor
    alpha: torch.Tensor
    eps: torch.Tensor
    centred: bool = True
    labels: torch.Tensor | None = None
    memory: int | None = None

    @property
    def y(self) -> torch.Tensor:
        """(B, P) labels."""
        if self.labels is not None:
            return self.labels
        return ((self.X @ self.target) * self.X).sum(-1) / 2

    @property
    def null(self) -> torch.Tensor:
        """(B,) population loss of the zero predictor, the unit of every loss below."""
        D = self.X.shape[-1]
        trace = self.target.diagonal(dim1=-2, dim2=-1).sum(-1)
        return (trace**2 + 2 * _squares(self.target)) / (4 * D**2)

    def at(self, index: Any) -> Problem:
        """Some of the B problems, by an index of the batch."""
        own: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            own[f.name] = value[index] if torch.is_tensor(value) else value
        return Problem(**own)


@dataclass(frozen=True, slots=True)
class Run:
    """What was recorded, (n, B) each; losses in units of the null loss.

    A run that diverged holds infinity from then on. ``twin_train``, ``twin_test`` and ``apart``
    belong to the linearised network (eq. 1) at the same time and rate, in closed form: its losses,
    and the population mean of ``(f - f_twin)^2``. They ignore momentum and decay.
    """

    t: torch.Tensor  # (n,) steps taken
    train: torch.Tensor
    variance: torch.Tensor  # the three terms of eq. 6
    misalignment: torch.Tensor
    power: torch.Tensor
    norm: torch.Tensor  # |W_t| / |W_0|
    moved: torch.Tensor  # |W_t - W_0| / |W_0|
    aligned: torch.Tensor  # cosine between M_t and the target matrix
    twin_train: torch.Tensor
    twin_test: torch.Tensor
    apart: torch.Tensor

    @property
    def test(self) -> torch.Tensor:
        """(n, B) population loss."""
        return self.variance + self.misalignment + self.power


def compress(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (..., N, D) in an orthonormal basis of the span of (W, 1): Z (..., m, D), u (..., m).

    ``m = min(N, D + 1)``; ``Z' Z = W' W / N``, ``Z' u`` is the mean weight and ``|u| = 1``.
    """
    N = W.shape[-2]
    ones = torch.ones_like(W[..., :1])
    R = torch.linalg.qr(torch.cat([W, ones], -1) / N**0.5, mode="r").R
    return R[..., :-1].contiguous(), R[..., -1].contiguous()


def sample(
    lab: Lab, runs: int, *, D: int, P: int, N: int, alpha: Any, eps: Any, sigma: float = 1.0
) -> Problem:
    """Independent problems of the paper: b ~ N(0, I), x ~ N(0, I/D), weights N(0, sigma^2).

    Args:
        runs: how many. alpha, eps: numbers, or one for each run.
    """
    X, b = lab.normal("x", runs, P, D) / D**0.5, lab.normal("b", runs, D)
    Z, u = compress(sigma * lab.normal("w", runs, N, D))
    scale, bend = (torch.as_tensor(v, dtype=X.dtype, device=X.device) for v in (alpha, eps))
    target = b[:, :, None] * b[:, None, :]
    scale, bend = scale.expand(runs).clone(), bend.expand(runs).clone()
    return Problem(X, target, Z, u, scale, bend, memory=lab.memory)


def sweep(problem: Problem, **values: Sequence[float]) -> Problem:
    """Every problem at every value of alpha or eps, run-major: batch index ``run * k + value``.

    ``descend`` steps the k runs on one data set together. Sweep eps first, then alpha: runs that
    differ in alpha alone share the kernel at the start.
    """
    ((name, given),) = values.items()
    k, B = len(given), len(problem.alpha)
    many = problem.at(torch.arange(B, device=problem.X.device).repeat_interleave(k))
    changed: Any = {name: problem.alpha.new_tensor(list(given)).repeat(B)}
    return replace(many, **changed)


def log_times(steps: int, records: int = 100) -> list[int]:
    """0, 1, ..., steps: distinct integers, equally spaced on a logarithmic axis."""
    if steps < 1 or records < 2:
        raise ValueError(f"log_times({steps}, {records}): give at least 1 step and 2 records.")
    return sorted({0, *(round(steps ** (k / (records - 1))) for k in range(records))})


def descend(
    problem: Problem,
    rate: float | torch.Tensor,
    steps: int,
    *,
    momentum: float = 0.0,
    decay: float = 0.0,
    records: int = 100,
) -> Run:
    """Heavy-ball gradient descent from the start, recorded at ``log_times(steps, records)``.

    Args:
        rate: eta_0 of the paper, a number or (B,); the rate on W is ``rate N / alpha^2``.
        momentum: mu in ``m = mu m + gradient``, as in torch.optim.SGD.
        decay: the rate on W times the weight decay, the factor by which W shrinks in a step.
        records: how many losses to keep.

    Returns:
        A ``Run``. Runs that fitted to rounding or diverged are not stepped further.
    """
    rates = torch.as_tensor(rate, dtype=problem.X.dtype, device=problem.X.device)
    rates = rates.expand(len(problem.X))
    parts = [
        _descend(problem.at(some), rates[some], steps, momentum, decay, records)
        for some in _chunks(problem)
    ]
    joined = {f.name: torch.cat([getattr(p, f.name) for p in parts], -1) for f in fields(Run)}
    return Run(**{**joined, "t": parts[0].t})


def _chunks(problem: Problem) -> Iterator[slice]:
    """Parts of the batch that fit the cache and the memory, cut at data sets or inside each."""
    B, P, _ = problem.X.shape
    k, each = copies(problem.X), bytes_each(problem)
    most = max(1, _CHUNK // (P * problem.Z.shape[-2]))
    span, most = (B, most - most % k) if most >= k else (k, most)
    if problem.X.is_cuda:
        span, most = B, 0
    for first in range(0, B, span):
        for some in chunks(span, each, problem.memory, problem.X.device, most):
            yield slice(first + some.start, first + some.stop)


def _descend(
    problem: Problem, rate: torch.Tensor, steps: int, mu: float, decay: float, records: int
) -> Run:
    times = log_times(steps, records)
    twin, stack = Twin(problem, rate), Stack(problem, rate, mu, decay)
    Z, residual = problem.Z.clone(), -problem.y  # of all runs; the stack has those that still move
    left, pages = list(times), []
    for t in range(steps + 1):
        stack.measure()
        if t == left[0]:
            Z[stack.runs], residual[stack.runs] = stack.weights(), stack.r.mT
            pages.append(_page(problem, twin, Z, residual, left.pop(0)))
            loss = residual[stack.runs].square().mean(-1) / problem.null[stack.runs]
            moving = (loss > _DONE) & torch.isfinite(loss)
            if not left or not moving.any():
                break
            stack.keep(moving)
        stack.step()
    pages += [_page(problem, twin, Z, residual, t) for t in left]
    values = _or_infinite(torch.stack(pages, 1))
    # Past this size a run is noise: its digits depend on the order of sums, which may change.
    gone = (values[0] > _LOST).cummax(0).values
    values = values.masked_fill(gone, float("inf"))
    return Run(twin.lam.new_tensor(times), *values)


def _page(problem: Problem, twin: Twin, Z: torch.Tensor, r: torch.Tensor, t: int) -> torch.Tensor:
    """One record, (10, B), in the order of the fields of ``Run``."""
    null, size = problem.null, _squares(problem.Z).sqrt()
    wbar0, M0 = moments(problem.Z, problem.u)
    wbar, M = moments(Z, problem.u)
    twin_train, wbar_twin, M_twin = twin.after(t)
    off_w, off_M = (wbar0, M0) if problem.centred else (torch.zeros_like(wbar0), 0 * M0)
    a, e, T = problem.alpha, problem.eps, problem.target
    terms = population_loss(a, e, wbar - off_w, M - off_M, T)
    lazy = sum(population_loss(a, e, wbar0 - off_w + wbar_twin, M0 - off_M + M_twin, T))
    apart = sum(population_loss(a, e, wbar - wbar0 - wbar_twin, M - M0 - M_twin, 0 * T))
    cosine = (M * T).sum((-1, -2)) / (_squares(M) * _squares(T)).sqrt()
    losses = [r.square().mean(-1), *terms]
    shape = [_squares(Z).sqrt() / size, _squares(Z - problem.Z).sqrt() / size, cosine]
    return torch.stack(
        [v / null for v in losses] + shape + [v / null for v in (twin_train, lazy, apart)]
    )


def train_network(
    W: torch.Tensor,
    problem: Problem,
    rate: float,
    times: Sequence[int],
    *,
    momentum: float = 0.0,
    decay: float = 0.0,
    probe: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The unreduced network, N neurons by automatic differentiation: the reference for ``descend``.

    Args:
        W: (B, N, D) start; only the data, the scales and ``centred`` of the problem are used.
        rate, momentum, decay: as in ``descend``.
        times: increasing numbers of steps at which to record, the first at least 0.
        probe: (B, Q, D) test inputs; the training inputs where it is left out.

    Returns:
        Train and sampled test losses (n, B), null losses, infinite once diverged; W (n, B, N, D).
    """
    X, a, e, N = problem.X, problem.alpha[:, None], problem.eps[:, None], W.shape[-2]
    Q = X if probe is None else probe
    lr = (rate * N / problem.alpha**2)[:, None, None]
    y, z = problem.y, ((Q @ problem.target) * Q).sum(-1) / 2

    def output(W: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        h = X @ W.mT
        return a * (h + e[..., None] / 2 * h**2).mean(-1)

    keep = 1.0 if problem.centred else 0.0
    f0, g0 = keep * output(W, X), keep * output(W, Q)
    V, kept = torch.zeros_like(W), []
    for t in range(times[-1] + 1):
        W = W.detach().requires_grad_()
        losses = (output(W, X) - f0 - y).square().mean(-1)
        if t in times:
            test = (output(W.detach(), Q) - g0 - z).square().mean(-1)
            kept.append((losses.detach() / problem.null, test / problem.null, W.detach()))
        (slope,) = torch.autograd.grad(losses.sum(), W)
        V = momentum * V + lr * slope + decay * W.detach()
        W = W.detach() - V
    train, tested, weights = (torch.stack(part) for part in zip(*kept, strict=True))
    return _or_infinite(train), _or_infinite(tested), weights


def _or_infinite(loss: torch.Tensor) -> torch.Tensor:
    return loss.nan_to_num(nan=float("inf"), posinf=float("inf"))  # a run that diverged


def _squares(M: torch.Tensor) -> torch.Tensor:
    return M.square().sum((-1, -2))
