"""What goes around a block of a sweep: sending, waiting, supervising, answering.

Skipped by default; see test_bench_kernels.py for how it is run. The blocks do next to nothing.
"""

from functools import partial

import pytest
from paired import record_machine, spread

from grokverify import Lab, _grid, _isolate, executors

CLAIM = """
from grokverify import Claim, Source, check, exact

@check(dict(p=1))
def one(lab, p, off=0):
    yield exact("p", p + off).at_most(p)

claim = Claim(id="t/one", source=Source("P", "1"), statement="s", checks=(one,),
              controls=(one.but(off=1),))
"""


@pytest.mark.parametrize(
    "setting", [f"{name}, {w}" for name in ("local", "dask", "dask_processes") for w in (2, 4)]
)
def test_a_block(benchmark, tmp_path, setting):
    name, workers = setting.split(", ")[0], int(setting[-1])
    if name.startswith("dask"):
        pytest.importorskip("distributed", reason="dask.distributed is not installed")
    file = tmp_path / "claim.py"
    file.write_text(CLAIM)
    task = partial(_isolate.perform_isolated, timeout=None)
    _isolate.reopen()
    pool = getattr(executors, name)(workers)

    def go(count):
        todo = _grid.blocks(["one"], {"p": [2, 3, 5, 7]}, range(count // 4), 1)
        run = _grid.spread(todo, f"{file}:claim", Lab(), pool, task=task, at_once=workers)
        return [wall - sum(answer["seconds"]) for _, answer, wall in run]

    try:
        go(8 * workers)  # starts the processes
        seen = sorted(go(100))
        benchmark.pedantic(lambda: go(100), rounds=3)
    finally:
        _isolate.close_all()
        pool.shutdown()
    record_machine(benchmark.extra_info)
    benchmark.extra_info["executor and workers"] = setting
    benchmark.extra_info["ms around a block"] = spread([1000 * s for s in seen])
    benchmark.extra_info["target, ms around a block"] = "under 5"
