"""Training runs of the experiments on modular addition, as pure functions of a lab and settings.

The settings of Mohamadi et al. 2024, Appendix A, are the defaults. Runs are batched over seeds, in
float32 as there, and kept for the controls of a check, which use its random streams. A width is
printed for the regression task only (h = 4p, Figure 3); it is used throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from grokverify._lab import Lab
from grokverify.delay import crossing
from grokverify.memory import chunks
from grokverify.modular import (
    TrainSet,
    all_outputs,
    classification_scores,
    cross_entropy_gradient,
    square_gradient,
    stored,
    sums,
    triples,
)
from grokverify.population import population_loss, unseen_loss
from grokverify.runs import Record, log_times, train
from grokverify.training import (
    State,
    gradient_descent,
    normalised_descent,
    penalised,
    sup_norm,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """One experiment.

    Attributes:
        p: modulus. n: train set size. h: width, 4p where it is 0.
        runs: seeds. last: number of steps. rate: eta. sup: strength of the max-norm penalty.
        scale: alpha, which multiplies the default initialisation of PyTorch.
        labels: "true", or "shuffled" among the train examples.
        order: "uniform" train sets, or "rows": all pairs with small a first.
        kernel: train inputs on which the change of the eNTK is followed; 0 for none.
        per_decade: records in a decade of steps.
    """

    p: int
    n: int
    runs: int
    last: int
    rate: float
    h: int = 0
    scale: float = 1.0
    sup: float = 0.0
    labels: str = "true"
    order: str = "uniform"
    kernel: int = 0
    per_decade: int = 8

    @property
    def width(self) -> int:
        return self.h or 4 * self.p


def classification(p: int, **changes: Any) -> Settings:
    """Appendix A.2: normalised descent with rate 10, penalty 1e-20, 2 p^(5/3) pairs."""
    plain = Settings(p, round(2 * p ** (5 / 3)), runs=32, last=250, rate=10.0, sup=1e-20)
    return replace(plain, **changes)


def regression(p: int, **changes: Any) -> Settings:
    """Appendix A.1: gradient descent with rate 1, penalty 1e-4, 2 p^2.25 triples."""
    plain = Settings(p, round(2 * p**2.25), runs=32, last=1000, rate=1.0, sup=1e-4)
    return replace(plain, **changes)


def default_start(lab: Lab, s: Settings) -> State:
    """Uniform on +-1/sqrt(fan in), as PyTorch initialises linear layers, times the scale."""
    lab = replace(lab, dtype="float32")
    W = lab.uniform("W", s.runs, s.width, 2 * s.p) * (s.scale / (2 * s.p) ** 0.5)
    V = lab.uniform("V", s.runs, s.p, s.width) * (s.scale / s.width**0.5)
    return State((stored(W), V))


def chosen(lab: Lab, s: Settings, total: int) -> torch.Tensor:
    """(runs, n) numbers of the train examples among ``total``; larger n keeps those of smaller n.

    Raises:
        ValueError: n is not below the total, so that nothing is left to test.
    """
    if not 0 < s.n < total:
        raise ValueError(f"n={s.n} of {total} examples leaves no train or no test set (p={s.p}).")
    if s.order == "rows":
        return torch.arange(s.n, device=lab.device).expand(s.runs, s.n).contiguous()
    return torch.stack([lab.permutation(f"x{r}", total)[: s.n] for r in range(s.runs)])


def classify(lab: Lab, s: Settings) -> Record:
    """Train on pairs. Observed, (records, runs): train and test accuracy and loss, and norms.

    ``sup`` and ``euclid`` are norms of all parameters; with ``kernel`` also ``moved`` and
    ``relative``, the Frobenius norm of the change of the eNTK of the first logit and its ratio to
    the eNTK at the start, and ``turned``, one minus the cosine between the two.
    """
    return _classified(_streams(lab), s)


@lru_cache(maxsize=64)
def _classified(lab: Lab, s: Settings) -> Record:
    data, state = sums(s.p, chosen(lab, s, s.p**2)), default_start(lab, s)
    if s.labels == "shuffled":
        data = replace(data, c=_shuffled(lab, data.c))
    gradient = cross_entropy_gradient(data, memory=lab.memory)
    if s.sup:
        gradient = penalised(gradient, sup=s.sup, runs=1)
    follow = _Kernel(data, state, s.kernel, logit=0) if s.kernel else None

    def observe(now: State) -> dict[str, torch.Tensor]:
        found = _by_runs(lab, s, lambda some: _scores(now, data, some)) | _norms(now)
        return found | (follow(now) if follow else {})

    update = normalised_descent(s.rate, runs=1)
    return train(update, gradient, state, log_times(s.last, s.per_decade), observe)


def regress(lab: Lab, s: Settings) -> Record:
    """Train on triples. Observed, (records, runs): train, unseen (all other triples), accuracy.

    ``accuracy`` is the share of all pairs at which the largest logit is the sum. Norms and kernel
    as for ``classify``. A diverged run raises.
    """
    return _regressed(_streams(lab), s)


@lru_cache(maxsize=64)
def _regressed(lab: Lab, s: Settings) -> Record:
    data, state = triples(s.p, chosen(lab, s, s.p**3)), default_start(lab, s)
    if s.labels == "shuffled":
        data = replace(data, y=_shuffled(lab, data.target))
    gradient = penalised(square_gradient(data, memory=lab.memory), sup=s.sup, runs=1)
    follow = _Kernel(data, state, s.kernel) if s.kernel else None

    def observe(now: State) -> dict[str, torch.Tensor]:
        found = _by_runs(lab, s, lambda some: _losses(now, data, some))
        everywhere = population_loss(*(x.double() for x in now.theta), memory=lab.memory)
        found["unseen"] = unseen_loss(everywhere, found.pop("true"), s.p, s.n)
        found |= _norms(now)
        return found | (follow(now) if follow else {})

    update = gradient_descent(s.rate)
    return train(update, gradient, state, log_times(s.last, s.per_decade), observe)


def fit_time(run: Record, error: float = 0.1) -> torch.Tensor:
    """(runs,) when the train accuracy exceeds 1 - error for good; infinite where it never does."""
    return crossing(run.t, 1 - run["train"].double(), error)


def learn_time(run: Record, error: float = 0.5) -> torch.Tensor:
    """(runs,) when the test accuracy exceeds 1 - error for good; infinite where it never does."""
    return crossing(run.t, 1 - run["test"].double(), error)


def shared(lab: Lab, key: str) -> Lab:
    """A lab whose runs several claims have in common; fresh ones where a failure is confirmed."""
    return lab.shared([key, any("confirm" in part for part in lab.path)])


def _streams(lab: Lab) -> Lab:
    """What a run depends on, so that labs which differ in effort or risk share their runs."""
    return Lab(device=lab.device, seed=lab.seed, path=lab.path, memory=lab.memory)


def _shuffled(lab: Lab, labels: torch.Tensor) -> torch.Tensor:
    """The labels of each run in another order."""
    mixed = [y[lab.permutation(f"labels{r}", len(y))] for r, y in enumerate(labels)]
    return torch.stack(mixed)


def _by_runs(
    lab: Lab, s: Settings, seen: Callable[[slice], dict[str, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """What is seen of all runs, some at a time: activations and logits at all p^2 pairs."""
    each = 4 * s.p**2 * (s.width + 4 * s.p)  # float32
    parts = [seen(some) for some in chunks(s.runs, each, lab.memory, lab.device)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _scores(now: State, data: TrainSet, some: slice) -> dict[str, torch.Tensor]:
    logits = all_outputs(*(x[some] for x in now.theta))
    seen = classification_scores(logits, data.of(some))
    return {
        "train": seen.train_accuracy,
        "test": seen.test_accuracy,
        "train loss": seen.train_loss,
        "test loss": seen.test_loss,
    }


def _losses(now: State, data: TrainSet, some: slice) -> dict[str, torch.Tensor]:
    """ "true" is the loss by labels that are not shuffled."""
    data = data.of(some)
    p, f = data.p, all_outputs(*(x[some] for x in now.theta))
    pairs, row = torch.arange(p * p, device=f.device), torch.arange(len(f), device=f.device)
    at = f[row[:, None], data.a * p + data.b, data.c]
    truth = replace(data, y=None).target
    loss, true = ((at - y).double().square().mean(-1) for y in (data.target, truth))
    right = (f.argmax(-1) == (pairs // p + pairs) % p).double().mean(-1)
    return {"train": loss, "true": true, "accuracy": right}


def _norms(now: State) -> dict[str, torch.Tensor]:
    squares = torch.stack([x.square().flatten(1).sum(1) for x in now.theta])
    return {"sup": sup_norm(now.theta, runs=1), "euclid": squares.sum(0).sqrt()}


class _Kernel:
    """How far the eNTK on the first train inputs of each run is from that at the start."""

    def __init__(self, data: TrainSet, start: State, k: int, logit: int | None = None) -> None:
        a, b, c = (x[:, :k] for x in (data.a, data.b, data.c))
        c = c if logit is None else torch.full_like(c, logit)
        self._rows = (torch.arange(len(a), device=a.device)[:, None], a, data.p + b, c)
        same = [(x[:, :, None] == x[:, None, :]).to(start.theta[0].dtype) for x in (a, b, c)]
        self._by_v, self._by_w = same[2], 4 * (same[0] + same[1])
        self._start = self._at(start)

    def _at(self, now: State) -> torch.Tensor:
        """The closed form of ``kernels.entk``, for runs that have inputs of their own."""
        (W, V), (run, a, b, c) = now.theta, self._rows
        z = W.mT[run, a] + W.mT[run, b]
        s, vz = z * z, V[run, c] * z
        K: torch.Tensor = self._by_v * (s @ s.mT) + self._by_w * (vz @ vz.mT)
        return K.flatten(1).double()

    def __call__(self, now: State) -> dict[str, torch.Tensor]:
        K, K0 = self._at(now), self._start
        moved, size = (K - K0).norm(dim=1), K0.norm(dim=1)
        cosine = (K * K0).sum(1) / (K.norm(dim=1) * size)
        return {"moved": moved, "relative": moved / size, "turned": 1 - cosine}
