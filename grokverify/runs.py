"""Full-batch training, many runs at once: observe on a log scale, stop, save, resume.

A run is a pure function of its state. Times are numbers of steps.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from grokverify.training import Diverged, Gradient, State, Update

Observed = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Record:
    """What a training run left behind.

    Attributes:
        state: the last state; a run may go on from it.
        t: (records,) steps at which the run was observed.
        seen: name -> (records, ...) what was observed there, on the CPU.
    """

    state: State
    t: torch.Tensor
    seen: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self.seen:
            raise KeyError(f"{name!r} was not observed; there are {sorted(self.seen)}.")
        return self.seen[name]


def log_times(last: int, per_decade: int = 12) -> tuple[int, ...]:
    """0, 1, and whole steps up to ``last`` (included), evenly spaced on a logarithmic axis.

    Raises:
        ValueError: last or per_decade is below 1.
    """
    if last < 1 or per_decade < 1:
        raise ValueError(f"log_times() needs last >= 1 and per_decade >= 1: {last}, {per_decade}.")
    count = math.ceil(per_decade * math.log10(last)) if last > 1 else 0
    inner = {round(10 ** (k / per_decade)) for k in range(count)}
    return (0, *sorted(t for t in inner | {1, last} if t <= last))


def train(
    update: Update,
    gradient: Gradient,
    state: State,
    times: Sequence[int],
    observe: Callable[[State], Observed],
    *,
    until: Callable[[Observed], bool] | None = None,
) -> Record:
    """Take steps up to the last of the times, and observe the state at each of them.

    Args:
        update, gradient: see ``grokverify.training``; batched over runs if the parameters are.
        state: where to start. Times before ``state.t`` are passed over, so that a state that was
            saved at ``times[k]`` resumes with the same times, and arrives at the same bits.
        times: increasing steps, such as ``log_times(1000)``.
        observe: state -> named tensors, one number a run.
        until: stop early once this holds of what was observed.

    Raises:
        Diverged: a parameter is NaN or infinite; the message names the step and the run. Such a
            run is an error, never evidence, and its records are lost with it.
        ValueError: the times are not increasing, or none is left.
    """
    left = [t for t in times if t >= state.t]
    if not left or any(s >= t for s, t in pairwise(times)):
        raise ValueError(
            f"train() got times from {times[0] if times else 'nothing'} to "
            f"{times[-1] if times else 'nothing'} and a state after {state.t} steps. Give "
            "increasing times, and at least one from there on."
        )
    taken: list[int] = []
    seen: list[dict[str, torch.Tensor]] = []
    for t in left:
        before = state
        while state.t < t:
            state = update(state, gradient(state.theta))
        if not _finite(state):
            raise _diverged(update, gradient, before, t)
        taken.append(t)
        seen.append({name: x.detach().cpu() for name, x in observe(state).items()})
        if until is not None and until(seen[-1]):
            break
    names = seen[0]
    curves = {name: torch.stack([record[name] for record in seen]) for name in names}
    return Record(state, torch.tensor(taken, dtype=torch.float64), curves)


def joined(first: Record, second: Record) -> Record:
    """The records of a run and of its continuation, as one; a time seen twice counts once.

    Raises:
        ValueError: the second does not begin where the first ended, or observed something else.
    """
    if first.seen.keys() != second.seen.keys() or second.t[0] < first.t[-1]:
        raise ValueError(
            f"joined() got records {sorted(first.seen)} up to step {first.t[-1]:.0f} and "
            f"{sorted(second.seen)} from step {second.t[0]:.0f} on: give a run, then what followed."
        )
    new = second.t > first.t[-1]
    curves = {k: torch.cat([x, second.seen[k][new]]) for k, x in first.seen.items()}
    return Record(second.state, torch.cat([first.t, second.t[new]]), curves)


def save(state: State, path: str | os.PathLike[str]) -> None:
    """Write a state of torch tensors, all of it and bit by bit; the file appears in one step."""
    target = Path(path)
    part = target.with_name(target.name + ".part")
    torch.save({"t": state.t, "theta": list(state.theta), "memory": _lists(state.memory)}, part)
    part.replace(target)


def load(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> State:
    """A state written by ``save``. Only tensors and numbers are read, never code.

    Raises:
        ValueError: the file holds something else.
    """
    held: Any = torch.load(path, map_location=device, weights_only=True)
    if not isinstance(held, dict) or set(held) != {"t", "theta", "memory"}:
        raise ValueError(f"{path} is no state written by grokverify.runs.save; write it anew.")
    return State(tuple(held["theta"]), tuple(tuple(m) for m in held["memory"]), held["t"])


def _lists(memory: tuple[Any, ...]) -> list[list[Any]]:
    return [list(part) for part in memory]


def _finite(state: State) -> bool:
    return all(bool(torch.isfinite(x).all()) for x in state.theta)


def _diverged(update: Update, gradient: Gradient, state: State, last: int) -> Diverged:
    """Repeat the steps from the last good record: NaN was seen at a record, but arose before."""
    while state.t < last and _finite(state):
        state = update(state, gradient(state.theta))
    i, x = next((i, x) for i, x in enumerate(state.theta) if not bool(torch.isfinite(x).all()))
    runs = (~torch.isfinite(x)).flatten(1).any(1).nonzero().flatten().tolist() if x.ndim > 2 else []
    which = f" of run {runs[0]}" if runs else ""
    return Diverged(
        f"step {state.t} made parameter {i}{which} (shape {tuple(x.shape)}) NaN or infinite. "
        "Most likely the rate is too large for this start: lower it, or start smaller. A "
        "normalised rule is 0/0 where the gradient vanishes: stop earlier, or add a penalty."
    )
