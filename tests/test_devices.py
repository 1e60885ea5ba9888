"""Which GPU a worker sees. The devices are names only: none was there."""

import sys
import types

import pytest

from grokverify import _devices, executors
from grokverify._devices import pinned, rank, visible


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in (*_devices._RANKS, "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0, GPU-abc,5")
    monkeypatch.delitem(sys.modules, "distributed", raising=False)


def test_slots_take_the_devices_in_turn():
    assert visible() == ["0", "GPU-abc", "5"]
    seen = [pinned("cuda", slot)["CUDA_VISIBLE_DEVICES"] for slot in range(4)]
    assert seen == ["0", "GPU-abc", "5", "0"]


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_is_named_is_left_alone(device):
    assert pinned(device, 1) == {}


@pytest.mark.parametrize("names", ["", "3"])
def test_one_device_or_none_leaves_nothing_to_share_out(monkeypatch, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)
    assert pinned("cuda", 1) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("PYTEST_XDIST_WORKER", "gw1"), ("SLURM_LOCALID", "1"), ("MPI_LOCALRANKID", "1")],
)
def test_a_launcher_tells_the_rank(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert rank() == 1
    assert pinned("cuda", 0) == {"CUDA_VISIBLE_DEVICES": "GPU-abc"}


def test_a_dask_worker_has_its_number(monkeypatch):
    worker = types.SimpleNamespace(name=2)
    fake = types.SimpleNamespace(get_worker=lambda: worker)
    monkeypatch.setitem(sys.modules, "distributed", fake)
    assert pinned("cuda", 0) == {"CUDA_VISIBLE_DEVICES": "5"}
    worker.name = "tcp://somewhere"
    assert rank() is None


def test_each_thread_of_the_local_executor_has_a_device_of_its_own():
    import threading

    from grokverify._isolate import _mine

    meet = threading.Barrier(3)

    def look(_):
        meet.wait(60)
        return pinned("cuda", _mine.slot)["CUDA_VISIBLE_DEVICES"]

    with executors.local(3) as pool:
        assert sorted(pool.map(look, range(3))) == ["0", "5", "GPU-abc"]
