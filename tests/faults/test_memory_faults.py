"""Out of memory and dead devices, in claims that run as the command line runs them."""

from pathlib import Path

import pytest
import torch

from grokverify import Lab, Verdict
from grokverify._isolate import close_all, reopen, verify_isolated

SMOKE = Lab(profile="smoke")
CLAIMS = """
import os, resource
from pathlib import Path
import torch
from grokverify import Claim, Source, approx, check, exact
from grokverify.memory import in_batches

def made(name, observe):
    return Claim(id=f"t/{name}", source=Source("P", "1"), statement="s", checks=(observe,),
                 controls=(observe.but(x=1.0),))

class Room:
    \"""The address space of this process may grow by so many MiB only.\"""
    def __init__(self, mebibytes):
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        self.soft, self.before = used + mebibytes * 2**20, resource.getrlimit(resource.RLIMIT_AS)
    def __enter__(self):
        resource.setrlimit(resource.RLIMIT_AS, (self.soft, self.before[1]))
    def __exit__(self, *error):
        resource.setrlimit(resource.RLIMIT_AS, self.before)

def mean(rows, width=2**20):
    return float(rows[:, None].expand(-1, width).clone().mean(1).sum())

@check()
def halves(lab, room=128, x=0.0):
    rows = lab.normal("rows", 64)  # 64 x 8 MiB
    with Room(room):
        total = sum(in_batches(mean, rows, 64))
    yield approx("error", abs(total - float(rows.sum())) + x).at_most(1e-9)

@check()
def never(lab, x=0.0):
    rows = lab.normal("rows", 4)
    with Room(128):
        yield approx("sum", sum(in_batches(lambda r: mean(r, 2**26), rows, 4))).at_most(x)

@check()
def plain(lab, x=0.0):
    with Room(128):
        yield approx("sum", mean(lab.normal("rows", 64))).at_most(x)

@check()
def dead(lab, x=0.0):
    torch.cuda.is_initialized = lambda: True
    def lost():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    me, first = str(os.getpid()), Path("pid")
    first.exists() or first.write_text(me)
    ill = first.read_text() == me or Path("always").exists()
    torch.cuda.synchronize = lost if ill else lambda: None
    yield approx("x", x).at_most(0.5)

scarce = Claim(id="t/scarce", source=Source("P", "1"), statement="s", checks=(halves,),
               controls=(halves.but(x=1.0), halves.but(room=100_000).must_hold()))
huge, careless, lost = made("huge", never), made("careless", plain), made("lost", dead)
"""


@pytest.fixture
def claims(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claims.py").write_text(CLAIMS)
    reopen()
    yield lambda name: verify_isolated(f"claims.py:{name}", SMOKE)
    close_all()
    reopen()


@pytest.mark.fault(5)
@pytest.mark.slow
def test_memory_that_runs_out_halves_the_batch_and_the_next_claim_is_fine(claims):
    """A real limit on the address space of the child; with and without it the claim holds.

    The CUDA allocator itself was absent: its error class is handled by the same line.
    """
    scarce = claims("scarce")
    assert scarce.verdict is Verdict.VERIFIED, scarce.explain()
    for name, text in (
        ("huge", "item 0 of 4 does not fit into memory on its own"),
        ("careless", "put the heavy step into grokverify.memory.in_batches"),
    ):
        record = claims(name)
        assert record.verdict is Verdict.ERROR
        assert text in record.checks[0].error
        assert claims("scarce").verdict is Verdict.VERIFIED


@pytest.mark.fault(6)
def test_a_process_whose_device_died_is_left(claims):
    """A fake on the CPU: ``torch.cuda`` says that its context is lost; no device was there."""
    first = claims("lost")
    assert first.verdict is Verdict.VERIFIED, first.explain()
    Path("always").touch()
    second = claims("lost")
    assert second.verdict is Verdict.ERROR
    assert "the CUDA device reported an error and its context died (2 attempts)" in second.reason
    assert "illegal memory access" in second.checks[0].error
    assert claims("scarce").verdict is Verdict.VERIFIED


CUDA = """
import torch
from grokverify import Claim, Source, approx, check, exact
from grokverify.memory import in_batches

def made(name, observe):
    return Claim(id=f"t/{name}", source=Source("P", "1"), statement="s", checks=(observe,),
                 controls=(observe.but(x=1.0),))

@check()
def halves(lab, x=0.0):
    torch.cuda.set_per_process_memory_fraction(0.05)
    free = int(0.05 * torch.cuda.mem_get_info()[1])
    rows = lab.normal("rows", 64)
    width = free // 8 // 16  # sixteen rows fill what this process may have
    f = lambda r: float(r[:, None].expand(-1, width).clone().mean(1).sum())
    yield approx("error", abs(sum(in_batches(f, rows, 64)) - float(rows.sum())) + x).at_most(1e-9)

@check()
def asserts(lab, x=0.0):
    torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")].sum()
    yield approx("x", x).at_most(0.5)

@check()
def fine(lab, x=0.0):
    yield approx("x", float(lab.normal("a", 9).abs().min()) * 0 + x).at_most(0.5)

full, dead, good = made("full", halves), made("dead", asserts), made("good", fine)
"""


@pytest.mark.fault(5, 6)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_real_device(claims):
    Path("claims.py").write_text(CUDA)
    lab = Lab(profile="smoke", device="cuda")
    seen = {n: verify_isolated(f"claims.py:{n}", lab) for n in ("full", "dead", "good")}
    assert seen["full"].verdict is Verdict.VERIFIED
    assert seen["dead"].verdict is Verdict.ERROR
    assert "its context died (2 attempts)" in seen["dead"].reason
    assert seen["good"].verdict is Verdict.VERIFIED
