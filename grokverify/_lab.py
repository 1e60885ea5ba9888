"""Where, on what, from which randomness and how hard: the first argument of every observation."""

from __future__ import annotations

import hashlib
import json
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")

PROFILES = ("smoke", "quick", "standard", "paper")
_EFFORT = {  # profile -> (cases a sampled check draws, cap on iid trials of one decision)
    "smoke": (8, 2_000),
    "quick": (25, 20_000),
    "standard": (100, 200_000),
    "paper": (400, 2_000_000),
}
# Both directions together for one claim: 300 claims stay under 5e-4 each way.
RISK_BUDGET = 3e-6
# Whether the streams of a lab were used since a sweep last set this to False. It is only observed:
# nothing that a lab draws depends on it.
drawn: ContextVar[bool] = ContextVar("drawn", default=False)


@dataclass(frozen=True, slots=True)
class Lab:
    """Device, dtype, named randomness and effort. Frozen; pass it on, never store it globally.

    A random variable has a name: ``lab.normal("w", n, d)`` is a pure function of the seed, the
    path (claim, check, case, ...) and "w". Asking twice gives the same tensor. Every draw is made
    on the CPU with numpy's Philox generator and then moved, so a GPU witness replays on a laptop.

    Args:
        device: "cpu", "cuda" or "cuda:N".
        dtype: name of the torch dtype of real-valued draws.
        seed: root of all randomness.
        profile: "smoke", "quick", "standard" or "paper"; ``pick`` reads it.
        cases: how many cases a sampled check draws; 0 takes the profile's number.
        trials: cap on the iid trials of one sequential decision; 0 takes the profile's number.
        alpha: risk this claim (inside a case: this case) may still spend, both tails together.
        path: where in the run this lab is; ``at`` extends it.
        memory: bytes that one computation may plan with, for the ``memory`` of the kernels. None
            stands for what ``grokverify.memory.budget`` says of the device when it is asked. No
            verdict depends on it.

    Raises:
        ValueError: the profile is unknown, or the memory is not positive.
    """

    device: str = "cpu"
    dtype: str = "float64"
    seed: int = 0
    profile: str = "quick"
    cases: int = 0
    trials: int = 0
    alpha: float = RISK_BUDGET
    path: tuple[str, ...] = ()
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"unknown profile {self.profile!r}; choose one of {PROFILES}.")
        if self.memory is not None and self.memory < 1:
            raise ValueError(f"memory={self.memory}: give bytes, at least 1, or None.")
        cases, trials = _EFFORT[self.profile]
        object.__setattr__(self, "cases", self.cases or cases)
        object.__setattr__(self, "trials", self.trials or trials)

    def at(self, key: object) -> Lab:
        """An independent stream for ``key`` (any JSON value, or something with a stable str)."""
        return replace(self, path=(*self.path, _text(key)))

    def shared(self, key: object) -> Lab:
        """A stream rooted in seed and key alone: the same for every claim that names the key."""
        return replace(self, path=("shared", _text(key)))

    def share(self, k: int) -> float:
        """The risk that the k-th random decision of this case may spend: alpha / (k (k + 1))."""
        if k < 1:
            raise ValueError(f"share({k}): decisions are counted from 1.")
        return self.alpha / (k * (k + 1))

    def pick(self, **by_profile: T) -> T:
        """The value for this profile, or for the nearest smaller profile that is given.

        ``lab.pick(smoke=(3,), quick=(3, 5), paper=(97,))`` keeps all sizes side by side.
        """
        unknown = sorted(set(by_profile) - set(PROFILES))
        if unknown or not by_profile:
            raise ValueError(
                f"pick() got the profiles {unknown or 'none'}; choose from {PROFILES}."
            )
        upto = PROFILES[: PROFILES.index(self.profile) + 1]
        given = [name for name in upto if name in by_profile]
        return by_profile[given[-1]] if given else next(iter(by_profile.values()))

    def __hash__(self) -> int:
        """Of all fields. A lab that is looked up in a cache stands for what it drew before."""
        drawn.set(True)
        return hash(tuple(getattr(self, name) for name in self.__slots__))

    def generator(self, name: str) -> np.random.Generator:
        """A numpy generator for draws that the methods below do not cover."""
        drawn.set(True)
        key = _text([self.seed, list(self.path), name]).encode()
        words = np.frombuffer(hashlib.blake2b(key, digest_size=16).digest(), dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=words))

    def normal(self, name: str, *shape: int) -> torch.Tensor:
        """Standard Gaussian entries."""
        return self.real(self.generator(name).standard_normal(shape))

    def uniform(self, name: str, *shape: int, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
        """Uniform entries on [low, high)."""
        return self.real(self.generator(name).uniform(low, high, shape))

    def signs(self, name: str, *shape: int) -> torch.Tensor:
        """Independent fair signs, as reals."""
        return self.real(2.0 * self.generator(name).integers(0, 2, shape) - 1.0)

    def integers(self, name: str, low: int, high: int, *shape: int) -> torch.Tensor:
        """Integers in [low, high), as int64."""
        return self._move(self.generator(name).integers(low, high, shape, dtype=np.int64))

    def permutation(self, name: str, n: int) -> torch.Tensor:
        """A uniform permutation of 0..n-1, shape (n,)."""
        return self._move(self.generator(name).permutation(n))

    def subset(self, name: str, n: int, k: int) -> torch.Tensor:
        """k distinct indices below n, uniform and sorted, shape (k,)."""
        return self._move(np.sort(self.generator(name).permutation(n)[:k]))

    def real(self, values: Any) -> torch.Tensor:
        """An array as a tensor of this lab's dtype on this lab's device."""
        array = torch.as_tensor(np.asarray(values, dtype=np.float64))
        return array.to(device=self.device, dtype=getattr(torch, self.dtype))

    def _move(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64)).to(device=self.device)


def _text(key: object) -> str:
    return json.dumps(key, sort_keys=True, default=str)
