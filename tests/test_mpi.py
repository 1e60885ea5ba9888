"""The MPI executor of docs/running.md, where mpi4py and an MPI library are installed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grokverify import records

ROOT = Path(__file__).parents[1]
CLAIMS = """
import os
from grokverify import Claim, Source, check, exact

@check(*[dict(n=n) for n in range(5)])
def small(lab, n, top=4):
    yield exact("n", n).at_most(top)

@check()
def crashes(lab, x=0):
    os._exit(7)
    yield

def made(name, observe, **wrong):
    return Claim(id=f"t/{name}", source=Source("P", "1"), statement="s", checks=(observe,),
                 controls=(observe.but(**wrong),))

one, two = made("one", small, top=3), made("two", small, top=2)
bad = made("bad", crashes, x=1)
"""


@pytest.mark.slow
def test_mpi_gives_the_records_and_survives_a_crash(tmp_path):
    pytest.importorskip("mpi4py")
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("no mpiexec on the path")
    text = (ROOT / "docs" / "running.md").read_text()
    (factory,) = re.findall(r"# cluster.py\n(from mpi4py.*?)```", text, flags=re.DOTALL)
    (tmp_path / "cluster.py").write_text(factory)
    (tmp_path / "claims.py").write_text(CLAIMS)
    command = [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", "-m", "grokverify"]
    command += ["run", "claims.py", "--executor", "cluster:mpi", "--workers", "2"]
    command += ["--split", "always", "--profile", "smoke", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found, problems = records.read(tmp_path / "out" / "records.jsonl")
    assert not problems
    assert {r.claim: r.verdict.value for r in found} == {
        "t/one": "verified",
        "t/two": "verified",
        "t/bad": "error",
    }, done.stdout + done.stderr
