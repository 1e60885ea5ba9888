"""Batches that halve where memory runs out: same results, then an error with numbers."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from grokverify.kernels import entk, inputs
from grokverify.memory import budget, in_batches, is_out_of_memory

FULL = [
    MemoryError("Unable to allocate 3 GiB"),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 3 bytes."),
]


@pytest.mark.parametrize("error", FULL, ids=lambda e: type(e).__name__)
def test_batches_halve_and_every_item_is_computed_once(error):
    seen, refused = [], []

    def compute(batch):
        if len(batch) > 3:
            refused.append(len(batch))
            raise error
        seen.extend(batch)
        return sum(batch)

    assert sum(in_batches(compute, range(25), 16)) == sum(range(25))
    assert seen == list(range(25))
    assert refused == [16, 8, 4]


@pytest.mark.parametrize("room", [1, 2, 5, 100])
def test_the_results_do_not_depend_on_the_room(lab, room):
    x = lab.normal("x", 23, 4)

    def compute(batch):
        if len(batch) > room:
            raise MemoryError
        return batch.square().sum(1)

    assert torch.equal(torch.cat(in_batches(compute, x, 23)), x.square().sum(1))


def test_an_item_too_large_on_its_own_is_an_error_with_numbers():
    def compute(batch):
        raise MemoryError("Unable to allocate 3 GiB")

    text = r"item 0 of 9 does not fit into memory on its own \(Unable to allocate 3 GiB\)"
    with pytest.raises(MemoryError, match=text):
        in_batches(compute, range(9), 9)


def test_other_errors_pass_through_at_once():
    calls = []

    def compute(batch):
        calls.append(1)
        raise RuntimeError("out of chalk")

    with pytest.raises(RuntimeError, match="out of chalk"):
        in_batches(compute, range(9), 9)
    assert len(calls) == 1
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_batch_has_an_item():
    with pytest.raises(ValueError, match="size 0; a batch has at least 1 item"):
        in_batches(sum, range(9), 0)


LIMITED = """
import resource, numpy, torch
from grokverify.memory import in_batches
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
sizes = []

def compute(batch):
    sizes.append(len(batch))
    return float({make}(len(batch), 2**20).sum()) / 2**20

print(sum(in_batches(compute, range(256), 256)), sizes[0], sizes[-1])
"""


@pytest.mark.parametrize("make", ["torch.ones", "numpy_ones"])
def test_a_real_limit_of_memory_is_met_and_the_result_is_whole(make):
    """256 rows of 8 MiB (4 for torch) under a limit of 256 MiB more than Python has."""
    code = LIMITED.replace("{make}", "torch.ones")
    if make == "numpy_ones":
        code = LIMITED.replace("{make}", "(lambda *s: numpy.ones(s))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    total, first, last = done.stdout.split()
    assert float(total) == 256.0
    assert int(first) == 256
    assert int(last) <= 64  # what the limit holds of rows of 4 MiB
    assert np.isfinite(float(total))


def test_what_a_computation_may_plan_with_where_nothing_is_said(monkeypatch, lab):
    assert lab.memory is None
    assert budget("cpu") == 2 * 10**9
    asked = []

    def info(device):
        asked.append(device)
        return 50 * 10**9, 80 * 10**9

    monkeypatch.setattr(torch.cuda, "mem_get_info", info)
    assert budget("cuda:1") == 30 * 10**9
    assert asked == ["cuda:1"]


def test_a_kernel_that_plans_with_it_gives_the_same_numbers(lab):
    W, V = lab.normal("W", 40, 14), lab.normal("V", 7, 40)
    x = inputs(7, lab.subset("x", 343, 60))
    whole = entk(W, V, x, memory=lab.memory)
    torch.testing.assert_close(entk(W, V, x, memory=200_000), whole, rtol=1e-12, atol=1e-12)


def test_kernels_plan_with_what_their_device_has_unless_told_otherwise(lab, monkeypatch):
    W, V = lab.normal("W", 40, 14), lab.normal("V", 7, 40)
    x = inputs(7, lab.subset("x", 343, 60))
    monkeypatch.setattr("grokverify.kernels._entk.budget", lambda device: {"cpu": 40_000}[device])
    with pytest.raises(ValueError, match=r"but memory=4e-05 GB\. Raise memory, ask for some rows"):
        entk(W, V, x)
    assert entk(W, V, x, memory=10**9).shape == (60, 60)
