"""Running out of memory is not a verdict: the same work in smaller batches, then an error."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

T = TypeVar("T")

_SMALL = 10**8  # bytes

_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def in_batches(compute: Callable[[Any], T], items: Any, size: int) -> list[T]:
    """``compute`` of consecutive batches of the items; half the size where memory runs out.

    The results must not depend on how the items are cut: draw what is random before, or give each
    item a stream of its own (``lab.at(index)``). Then neither does the verdict.

    Args:
        compute: takes ``items[a:b]``.
        items: a sequence or a tensor; the first axis is cut.
        size: of a batch to begin with, at least 1.

    Returns:
        The results in order, one a batch: ``torch.cat(in_batches(f, x, 4096))``.

    Raises:
        MemoryError: a single item does not fit.
        ValueError: the size is below 1.
    """
    if size < 1:
        raise ValueError(f"in_batches was given the size {size}; a batch has at least 1 item.")
    done: list[T] = []
    at, n = 0, len(items)
    while at < n:
        try:
            done.append(compute(items[at : at + size]))
        except Exception as e:
            if not is_out_of_memory(e):
                raise
            short = str(e).splitlines()[0] if str(e) else type(e).__name__
        else:
            at += size
            continue
        release()  # here the exception is gone, and with it the frames that hold the tensors
        if size == 1:
            raise MemoryError(
                f"item {at} of {n} does not fit into memory on its own ({short}). Make the case "
                "smaller at this profile, use float32, or run on a machine with more memory."
            )
        size = (min(size, n - at) + 1) // 2
    return done


def chunks(
    count: int, each: int, memory: int | None, device: str | torch.device = "cpu", most: int = 0
) -> Iterator[slice]:
    """Consecutive slices of ``range(count)``, each of as many items as the memory is planned for.

    Never fewer than one item: the budget is a plan. All slices but the last have one length.

    Args:
        each: bytes that the work on one item takes.
        memory: bytes in all, such as ``lab.memory``; what ``budget`` says of the device if None.
        most: items in one slice at most; 0 for no other limit than the memory.
    """
    whole = each * count
    if memory is None:  # asking a GPU what is free costs more than a small piece of work
        memory = whole if whole <= _SMALL else budget(device)
    step = max(1, min(memory // max(1, each), most or count))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def is_out_of_memory(e: BaseException) -> bool:
    """Whether numpy, torch on the CPU, or CUDA ran out of memory."""
    if isinstance(e, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(e, RuntimeError) and any(w in str(e).lower() for w in _WORDS)


def release() -> None:
    """Give freed memory back, on the device too, so that the next computation starts afresh."""
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()


def budget(device: str | torch.device = "cpu") -> int:
    """Bytes that one computation may plan with: 2 GB on the CPU, 60 % of what is free on CUDA.

    A plan, not a limit: what it is cut into must not change a number, and where memory runs out
    all the same, ``in_batches`` goes on in smaller parts.
    """
    if torch.device(device).type != "cuda":
        return 2 * 10**9
    free, _ = torch.cuda.mem_get_info(device)
    return int(0.6 * free)
