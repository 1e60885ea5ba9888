"""Workers killed at random while a run goes on: the records are those of an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grokverify import Lab, find, records, verify_ref
from grokverify.records import to_json

CLAIMS = """
import time
from grokverify import Claim, Source, Verdict, check, exact, series, stats

@check(*[dict(n=n) for n in range(5)])
def chances(lab, n, bound=0.9, pause=0.1):
    time.sleep(pause)
    yield series("n", x=n, y=n)
    yield stats.decide("P", lambda at, k: at.uniform("u", k, low=0) < 0.2, lab=lab, at_most=bound)

@check(*[dict(n=n) for n in range(9)])
def fails(lab, n, top=5, pause=0.1):
    time.sleep(pause)
    yield exact("n", n).at_most(top)

def made(k):
    return Claim(id=f"t/holds-{k}", source=Source("P", "1"), statement="s", checks=(chances,),
                 controls=(chances.but(bound=0.1),))

"""
CLAIMS += "".join(f"claim_{k} = made({k})\n" for k in range(23))
CLAIMS += """
false = Claim(id="t/false", source=Source("P", "1"), statement="s", checks=(fails,),
              controls=(fails.but(top=9).must_hold(),), expect=Verdict.REFUTED)
"""


def timeless(record):
    body = json.loads(to_json(record))
    for part in (body, *body["checks"], *body["controls"]):
        part.pop("seconds")
    return {key: body[key] for key in body if key not in ("machine", "seal")}


def workers_of(pid):
    """The processes below this one that work for it: children that verify, and dask's workers."""
    parents, words = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            told = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            parents[int(place.name)], words[int(place.name)] = int(parent), told
    below = {pid}
    while more := {p for p, parent in parents.items() if parent in below} - below:
        below |= more
    kinds = ("grokverify._child", "spawn_main")
    return [p for p in below - {pid} if any(kind in words[p] for kind in kinds)]


@pytest.fixture
def undisturbed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claims.py").write_text(CLAIMS)
    return {r.claim: timeless(r) for r in (verify_ref(ref, Lab()) for ref in find("claims.py"))}


def disturbed(name, seconds, *words):
    """A run in which a random worker is killed every few seconds, once there is a new record.

    Without the second condition a loaded machine could not start a worker between two kills.
    """
    command = [sys.executable, "-m", "grokverify", "run", "claims.py", "--workers", "2", "--out"]
    command += [name, "--executor", f"grokverify.executors:{name}", *words]
    chance, kills = random.Random(0), 0
    with open("output", "w") as output:
        run = subprocess.Popen(command, stdout=output, stderr=output)
        following, size = time.monotonic() + seconds, 0
        while run.poll() is None:
            time.sleep(0.1)
            grown = Path("output").stat().st_size > size
            if grown and time.monotonic() > following and (found := workers_of(run.pid)):
                os.kill(chance.choice(sorted(found)), signal.SIGKILL)
                kills, following = kills + 1, time.monotonic() + seconds
                size = Path("output").stat().st_size
    assert run.returncode == 0, Path("output").read_text()
    found, problems = records.read(f"{name}/records.jsonl")
    assert not problems
    return {r.claim: timeless(r) for r in found}, kills


@pytest.mark.slow
@pytest.mark.fault(4)
@pytest.mark.parametrize("split", ["always", "never"])
@pytest.mark.parametrize("name", ["local", "dask", "dask_processes"])
def test_killing_workers_changes_no_record(undisturbed, name, split):
    if name.startswith("dask"):
        pytest.importorskip("distributed")
    found, kills = disturbed(name, 5.0, "--split", split)
    assert kills, "the run was over before anything was killed"
    assert found == undisturbed


@pytest.mark.slow
@pytest.mark.fault(16)
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("name", ["local", "dask", "dask_processes"])
def test_any_number_of_workers_gives_the_serial_records(undisturbed, name, workers):
    if name.startswith("dask"):
        pytest.importorskip("distributed")
    found, _ = disturbed(name, 1e9, "--split", "always", "--workers", str(workers))
    assert found == undisturbed
