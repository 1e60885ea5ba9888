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
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import pytest
import torch

Task = Callable[[], Any]


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
