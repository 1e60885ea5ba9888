"""Workers killed at random while a run goes on: the records are those of an undisturbed run."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from kills import ENGINES, differences, disturbed, main

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


@pytest.fixture
def undisturbed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claims.py").write_text(CLAIMS)
    return {r.claim: timeless(r) for r in (verify_ref(ref, Lab()) for ref in find("claims.py"))}


def run(name, seconds, *words):
    command = [sys.executable, "-m", "grokverify", "run", "claims.py", "--workers", "2", "--out"]
    command += [name, "--executor", f"grokverify.executors:{name}", *words]
    code, kills = disturbed(command, Path("output"), seconds)
    assert code == 0, Path("output").read_text()
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
    found, kills = run(name, 5.0, "--split", split)
    assert kills, "the run was over before anything was killed"
    assert found == undisturbed


@pytest.mark.slow
@pytest.mark.fault(16)
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("name", ["local", "dask", "dask_processes"])
def test_any_number_of_workers_gives_the_serial_records(undisturbed, name, workers):
    if name.startswith("dask"):
        pytest.importorskip("distributed")
    found, _ = run(name, 1e9, "--split", "always", "--workers", str(workers))
    assert found == undisturbed


@pytest.mark.slow
@pytest.mark.fault(4)
def test_killing_workers_changes_no_record_of_a_paper(tmp_path, capsys):
    """What ``make kills`` does with every claim, here with three, and a kill every five seconds."""
    pytest.importorskip("distributed")
    names = ("trace-learnt-at-order-d", "delay-over-alpha-and-epsilon", "alignment-of-data")
    words = [*(f"kumar2024/{name}" for name in names), "--profile", "smoke", "--every", "5"]
    code = main([*words, "--out", str(tmp_path)])
    told = capsys.readouterr().out
    assert code == 0, told
    assert told.count("workers killed, 0 differences") == len(ENGINES)


def test_what_a_killed_run_changes_is_told(undisturbed):
    whole = [verify_ref(ref, Lab()) for ref in find("claims.py")]
    records.write("one.jsonl", whole)
    (false,) = [r for r in whole if r.claim == "t/false"]
    rest = [replace(r, seconds=9.0) for r in whole if r is not false]
    records.write("two.jsonl", [*rest, false])
    assert differences("one.jsonl", "two.jsonl") == []
    other = replace(false.checks[0], witness={"n": 7})
    records.write("two.jsonl", [*rest[1:], replace(false, checks=(other,))])
    found = differences("one.jsonl", "two.jsonl")
    assert found[0] == f"{rest[0].claim}: removed"
    assert found[1:] == ["t/false.checks[0].witness.n: 6 7"]
