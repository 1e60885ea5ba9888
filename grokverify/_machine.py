"""The machine a record was made on: read and recorded, never set."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from grokverify._settings import flushes_denormals


@lru_cache(maxsize=8)
def _describe(device: str) -> tuple[tuple[str, Any], ...]:
    facts: dict[str, Any] = {
        "device": device,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "matmul_tf32": torch.backends.cuda.matmul.allow_tf32,
        "flush_denormal": flushes_denormals(),
        "commit": _commit(),
        "library": _library(),
    }
    if device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
    return tuple(facts.items())


def describe(device: str) -> dict[str, Any]:
    """Processor, GPU, versions, flags and the commit of the sources, as plain data."""
    return dict(_describe(device))


def resolve_device(wanted: str) -> str:
    """Turn "auto" into "cuda" where there is one, and check that a named device exists.

    Raises:
        ValueError: the device is unknown, or CUDA was asked for and is missing.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"unknown device {wanted!r}; choose auto, cpu, cuda or cuda:N.") from None
    if kind.type not in ("cpu", "cuda"):
        raise ValueError(f"device {wanted!r} is not supported; choose auto, cpu, cuda or cuda:N.")
    if kind.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (kind.index or 0) >= count:
            raise ValueError(
                f"device {wanted!r} is not there: torch {torch.__version__} sees {count} CUDA "
                "devices. Install a CUDA build of torch and a driver, or use --device cpu."
            )
    return wanted


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _library() -> str:
    """A hash of this package's sources: equal for two runs of the same code, committed or not."""
    here, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _commit() -> str | None:
    """The commit of the source tree, with "+" when it has local changes; None outside git."""
    here = Path(__file__).parent
    try:
        ask = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+"]
        done = subprocess.run(ask, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
