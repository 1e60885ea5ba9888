"""One process per GPU: which device a worker sees, settled before torch is imported in it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

_RANKS = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID")


def visible() -> list[str]:
    """Names of the GPUs that this process may use, without importing torch."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [name.strip() for name in told.split(",") if name.strip()]
    cards = Path("/proc/driver/nvidia/gpus")
    return [str(k) for k in range(len(list(cards.iterdir())))] if cards.is_dir() else []


def rank() -> int | None:
    """This process's number among the workers of its machine, where its launcher tells it."""
    if found := re.fullmatch(r"gw(\d+)", os.environ.get("PYTEST_XDIST_WORKER", "")):
        return int(found[1])
    for name in _RANKS:
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    distributed: Any = sys.modules.get("distributed")
    if distributed is not None:
        try:
            name = distributed.get_worker().name
        except ValueError:  # not inside a task
            return None
        return name if isinstance(name, int) else None
    return None


def pinned(device: str, slot: int) -> dict[str, str]:
    """The environment in which the worker in this slot sees its own GPU only.

    Args:
        device: "cuda" leaves the choice; "cuda:1" and "cpu" do not.
        slot: number of the worker in this process; its rank counts where there is one.
    """
    names = visible()
    if device != "cuda" or len(names) < 2:
        return {}
    number = rank()
    return {"CUDA_VISIBLE_DEVICES": names[(slot if number is None else number) % len(names)]}
