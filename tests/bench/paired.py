"""How the benchmarks measure: ours and its peers take turns, and the record says what was compared.

Everything goes to ``extra_info`` of pytest-benchmark, under keys that ``grokverify bench`` reads:

    peers    name -> {"median", "least", "largest": times longer than ours, "turns", "target"}
    missing  name -> why this peer did not run
    limit    {"name", "share": {"median", ...}}: what part of a rate measured in the same turns
    sizes    name -> number, where they are not the parameters of the test

All other keys are shown as they are. Nothing fails because of the time it took.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch

Task = Callable[[], Any]
PEERS = Path(os.environ.get("GROKVERIFY_PEERS", Path(__file__).parents[2] / ".venv-peers"))


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seconds(task: Task) -> tuple[float, Any]:
    start = time.perf_counter()
    result = task()
    return time.perf_counter() - start, result


def spread(values: list[float]) -> dict[str, float]:
    told = {"median": median(values), "least": min(values), "largest": max(values)}
    return {name: float(f"{v:.3g}") for name, v in told.items()} | {"turns": len(values)}


def beside(
    benchmark: Any,
    ours: Task,
    *,
    rounds: int,
    targets: Mapping[str, float] | None = None,
    missing: Mapping[str, str] | None = None,
    products: float = 0.0,
    dtype: torch.dtype = torch.float64,
    **peers: Task,
) -> tuple[Any, dict[str, Any]]:
    """Time ours by the fixture, then ours and the peers in turns.

    Args:
        rounds: turns of each peer; every one of them has a run of ours before and after it.
        targets: peer -> how many times longer it should take at least.
        missing: peer -> why it does not run here.
        products: multiplications of ours that a matrix product could do, for the share of the rate
            of matrix products that is measured in the same turns.
        peers: an underscore of a name is shown as a space.

    Returns:
        What ours gave, and what each peer gave, by name.
    """
    ours()
    ratios: dict[str, list[float]] = {name: [] for name in peers}
    shares: list[float] = []
    results: dict[str, Any] = {}
    for _ in range(rounds):
        for name, peer in peers.items():
            own, _ = seconds(ours)
            other, results[name] = seconds(peer)
            again, _ = seconds(ours)
            ratios[name].append(2 * other / (own + again))
        if products:
            own, _ = seconds(ours)
            shares.append(products / own / product_rate(dtype))
    info = benchmark.extra_info
    info["peers"] = {name.replace("_", " "): spread(seen) for name, seen in ratios.items()}
    for name, least in (targets or {}).items():
        info["peers"].setdefault(name.replace("_", " "), {})["target"] = least
    if missing:
        info["missing"] = dict(missing)
    if products:
        info["limit"] = {"name": f"matrix products, {_short(dtype)}", "share": spread(shares)}
    record_machine(info)
    return benchmark.pedantic(ours, rounds=rounds, iterations=1), results


def product_rate(dtype: torch.dtype = torch.float64, n: int = 384) -> float:
    """Multiplications a second in a matrix product that fits the cache, on this many threads."""
    a = torch.ones(n, n, dtype=dtype)
    a @ a
    return n**3 / min(seconds(lambda: a @ a)[0] for _ in range(3))


def record_machine(info: dict[str, Any]) -> None:
    """What a ratio was measured under: threads, and how busy the machine was."""
    cores = os.cpu_count() or 1
    busy = f"{os.getloadavg()[0]:.3g} on {cores} cores" if hasattr(os, "getloadavg") else "unknown"
    info["machine"] = {
        "threads": torch.get_num_threads(),
        "load": busy,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class Library:
    """A peer that runs in a process and an environment of its own; it takes its turns like others.

    Args:
        name: "neural-tangents" or "nngeometry".
        arrays: W (h, 2p), V (p, h) and the inputs a, b, c, as numpy arrays.
        folder: for the files that the two processes exchange.

    Raises:
        FileNotFoundError: it is not installed; the message says how to install it.
    """

    def __init__(self, name: str, arrays: Mapping[str, Any], folder: Path) -> None:
        python, beside = PEERS / "bin/python", PEERS / "beside-torch"
        if not (beside / "nngeometry").is_dir() or not python.exists():
            raise FileNotFoundError("not installed; bash .ci/peers .venv-peers installs it")
        if name == "nngeometry":
            python = Path(sys.executable)
        np.savez(folder / f"{name}.npz", **arrays)
        self._saved = folder / f"{name}.npy"
        self._process = subprocess.Popen(
            [python, Path(__file__).with_name("peer_worker.py"), name, folder / f"{name}.npz"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(beside) if name == "nngeometry" else ""},
        )
        self._expect("ready")

    def __call__(self) -> None:
        self._ask("go")

    def result(self) -> torch.Tensor:
        """What the last run gave; ends the process."""
        self._ask(f"save {self._saved}")
        self._process.communicate()
        return torch.as_tensor(np.load(self._saved))

    def _ask(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        self._expect("done")

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"the peer said {said!r} instead of {word!r}; see its stderr above.")


def libraries(
    names: Sequence[str], arrays: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Library], dict[str, str]]:
    """The libraries that are there, and why the others are not."""
    found, missing = {}, {}
    for name in names:
        try:
            found[name] = Library(name, arrays, folder)
        except FileNotFoundError as e:
            missing[name] = str(e)
    return found, missing
