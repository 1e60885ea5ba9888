"""What a run does to the records that an earlier run left in its folder."""

import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from grokverify import ledger, records
from grokverify._verify import started
from grokverify.audit import audit
from grokverify.cli import main

HEAD = """
from grokverify import Claim, Source, check, exact

@check()
def holds(lab, x=1):
    yield exact("x", x).at_most(BOUND)

def made(name):
    return Claim(id=f"t/{name}", source=Source("p", "l"), statement="s", checks=(holds,),
                 controls=(holds.but(x=9),))

BOUND = 2
"""
RECORDS, PARTIAL = Path("out/records.jsonl"), Path("out/records.partial.jsonl")
ASIDE = Path("out/records.aside.jsonl")


@pytest.fixture
def go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("one.py", "a", "b", "c", "d")
    write("two.py", "e")

    def run(*words, out=("--out", "out")):
        code = main(["run", *words, *out, "--workers", "1", "--no-isolate", "--profile", "smoke"])
        return code, capsys.readouterr()

    return run


def write(name, *claims):
    for module in [m for m in sys.modules if m.startswith("grokverify_user_")]:
        del sys.modules[module]  # or it would not be read again
    Path(name).write_text(HEAD + "".join(f"{c} = made('{c}')\n" for c in claims))


def claims(path=RECORDS):
    found, problems = records.read(path)
    assert not problems
    return [r.claim.removeprefix("t/") for r in found]


def test_resume_keeps_the_records_of_claims_outside_the_selection(go):
    assert go("one.py", "two.py")[0] == 0
    whole = RECORDS.read_text().splitlines()
    code, told = go("one.py:b", "--resume")
    assert code == 0
    assert "keeping 4 records of claims (t/a, t/c, t/d, ...) outside this selection\n" in told.out
    assert "resuming: 1 of 1 records are still good" in told.out
    assert "1 verified" in told.out, "the counts are those of the selection"
    assert sorted(claims()) == ["a", "b", "c", "d", "e"]
    assert sorted(RECORDS.read_text().splitlines()[:-1]) == sorted(whole[:-1])
    assert audit(RECORDS)[1] == []
    page = Path("out/index.html").read_text()
    assert all(f"t/{c}" in page for c in "abcde")
    code, told = go("two.py", "--resume", "--seed", "1")
    assert "; 4 of them by another seed, profile, device or version\n" in told.out
    assert sorted(claims()) == ["a", "b", "c", "d", "e"]


def test_without_resume_a_folder_with_other_claims_is_refused(go):
    go("one.py", "two.py")
    before = RECORDS.read_bytes()
    code, told = go("one.py:b", "two.py")
    assert code == 2
    assert told.err == (
        "grokverify: out holds 3 records of claims (t/a, t/c, t/d) outside this selection, which a "
        "run without --resume would lose. Add --resume to keep them, or choose another --out; to "
        "start afresh, remove out/records.jsonl and records.partial.jsonl.\n"
    )
    assert RECORDS.read_bytes() == before
    assert not PARTIAL.exists()
    assert go("two.py", "one.py")[0] == 0, "the same claims, in whatever order, are run again"


def test_the_default_folder_moves_them_aside(go, monkeypatch):
    monkeypatch.setattr("grokverify.cli._run.LATEST", "out")
    go("one.py", "two.py")
    code, told = go("one.py", out=())
    assert code == 0
    assert "1 record of claims (t/e) outside this selection moved to out/records.aside.jsonl\n" in (
        told.out
    )
    assert (claims(), claims(ASIDE)) == (["a", "b", "c", "d"], ["e"])
    go("two.py", out=())
    assert (claims(), sorted(claims(ASIDE))) == (["e"], ["a", "b", "c", "d", "e"])


def test_a_run_cut_short_counts_as_well(go):
    """Its finished records, but not the word that a claim was under way."""
    go("one.py", "two.py")
    found = {r.claim: r for r in records.read(RECORDS)[0]}
    RECORDS.unlink()
    begun = started("one.py:a", records_lab(), claim="t/a")
    records.write(PARTIAL, [found["t/c"], found["t/e"], begun], closed=False)
    code, told = go("two.py")
    assert code == 2
    assert "out holds 1 record of claims (t/c) outside this selection" in told.err
    assert "under way when the last run ended: t/a" in go("two.py", "--resume")[1].out
    assert sorted(claims()) == ["c", "e"]


def test_word_of_a_start_hides_no_finished_record(go):
    go("one.py", "two.py")
    records.write(PARTIAL, [started("one.py:a", records_lab(), claim="t/a")], closed=False)
    go("two.py", "--resume")
    assert sorted(claims()) == ["a", "b", "c", "d", "e"]
    assert {r.verdict.value for r in records.read(RECORDS)[0]} == {"verified"}


def test_a_claim_that_its_module_lost_is_gone_but_not_one_of_a_module_that_is_broken(go):
    go("one.py", "two.py")
    write("one.py", "a", "b")
    go("one.py", "--resume")
    assert sorted(claims()) == ["a", "b", "e"]
    write("one.py")
    Path("one.py").write_text("def f(:\n")
    code, told = go("one.py", "--resume")
    assert code == 4
    assert "SyntaxError" in told.out
    assert sorted(claims()) == ["a", "b", "e", "one.py"]
    write("one.py", "a", "b")
    go("one.py", "--resume")
    assert sorted(claims()) == ["a", "b", "e"]


def test_a_folder_by_another_name_is_the_same_folder(go):
    go("one.py", "two.py")
    os.symlink("out", "link")
    assert go("two.py", out=("--out", "link"))[0] == 2
    go("two.py", "--resume", out=("--out", "link/../link"))
    assert sorted(claims()) == ["a", "b", "c", "d", "e"]
    assert audit(RECORDS)[1] == []


def test_a_folder_is_locked_by_whatever_name(go):
    Path("out").mkdir()
    os.symlink("out", "link")
    with filelock.FileLock("link/.lock"):
        code, told = go("one.py", out=("--out", str(Path("out").resolve())))
    assert code == 2
    assert "another run is writing to" in told.err


def test_kept_records_stay_in_the_order_of_the_ledger(go, monkeypatch):
    def item(claim, ref):
        return ledger.Item(claim, "p", "l", "s", "instant", "paper", ((f"t/{claim}", ref),))

    moved = [item("c", "gone.py:c"), item("a", "one.py:a"), item("e", "two.py:e")]
    go("one.py", "two.py")
    monkeypatch.setattr(ledger, "read", lambda path=None: moved)
    go("t/e", "--resume")
    assert claims() == ["c", "a", "e", "b", "d"]


def test_a_terminal_of_few_signs_ends_no_run(go):
    """Nor does a pipe: what it cannot show is replaced."""
    words = ["run", "one.py", "--workers", "1", "--no-isolate", "--profile", "smoke", "--out", "o"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "grokverify", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert "? verified" in done.stdout
    assert sorted(claims(Path("o/records.jsonl"))) == ["a", "b", "c", "d"]


def records_lab():
    from grokverify import Lab

    return Lab(profile="smoke")
