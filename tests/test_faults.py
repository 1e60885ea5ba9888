"""Faults of the surroundings, injected for real: a full disk, a bare environment, many rows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from grokverify import Claim, Lab, Source, Verdict, check, exact, records, row, series, verify

CLAIM = """
from grokverify import Claim, Source, check, exact

@check()
def fine(lab, x=0):
    yield exact("x", x).equals(0)

good = Claim(id="t/good", source=Source("P", "1"), statement="s", checks=(fine,),
             controls=(fine.but(x=1),))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claims.py").write_text(CLAIM)
    return tmp_path


def grokverify(*arguments, limit=None, **options):
    code = "import resource, sys; from grokverify.cli import main\n"
    if limit:  # writes past this size fail as on a full disk; the signal would kill instead
        code += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        code += f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    code += f"sys.exit(main({list(arguments)!r}))"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )


RUN = ("run", "claims.py", "--workers", "1", "--no-isolate", "--out", "out")


@pytest.mark.fault(9)
def test_a_full_disk_keeps_the_old_report_and_records(folder):
    assert grokverify(*RUN).returncode == 0
    page, lines = Path("out/index.html"), Path("out/records.jsonl")
    before = page.read_bytes(), lines.read_bytes()
    done = grokverify(*RUN, limit=3 * len(before[1]))  # room for the records, not the page
    assert done.returncode == 4
    assert "File too large" in done.stderr
    assert "Finished records are in out/records.partial.jsonl" in done.stderr
    assert page.read_bytes() == before[0]
    found, problems = records.read(lines)
    assert [r.claim for r in found] == ["t/good"]
    assert not problems
    assert not list(Path("out").glob(".*-*")), "a temporary file was left"


@pytest.mark.fault(9)
def test_a_disk_with_no_room_at_all_is_said_before_anything_runs(folder):
    Path("out").mkdir()
    done = grokverify(*RUN, limit=1)
    assert done.returncode == 4
    assert "the output folder out cannot be written (File too large)" in done.stderr
    assert "0 finished records" in done.stderr or "nothing was run" in done.stderr


@pytest.mark.fault(23)
def test_a_bare_environment_is_enough(folder):
    bare = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = grokverify(*RUN, env=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,), _ = records.read("out/records.jsonl")
    assert record.verdict is Verdict.VERIFIED


@pytest.mark.fault(23)
def test_sources_outside_git_have_no_commit(monkeypatch):
    from grokverify import _machine

    def no_git(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(_machine.subprocess, "run", no_git)
    assert _machine._commit() is None


@pytest.mark.fault(25)
def test_a_check_with_a_million_rows_gives_a_small_record(lab):
    @check()
    def loud(lab, x=0):
        for k in range(1_000_000):
            yield row(k=k)
            if k % 100 == 0:
                yield series("s", x=k, y=k)
        yield exact("x", x).equals(0)

    one = Claim(
        id="t/loud",
        source=Source("P", "1"),
        statement="s",
        checks=(loud,),
        controls=(loud.but(x=1),),
    )
    record = verify(one, Lab(profile="smoke"))
    assert record.verdict is Verdict.VERIFIED
    assert len(records.to_json(record)) < 200_000


@pytest.mark.fault(22)
def test_a_pickle_in_the_records_file_is_text_that_is_ignored(folder):
    import pickle

    Path("evil.jsonl").write_bytes(pickle.dumps({"claim": "x"}) + b"\n")
    found, problems = records.read("evil.jsonl")
    assert found == []
    assert problems
