"""The command line: exit codes, messages, and that nothing is lost on bad input."""

import json
from pathlib import Path

import pytest
import torch

from grokverify import records
from grokverify.cli import main

HEAD = """
from hypothesis import strategies as st
from grokverify import Claim, Source, Verdict, check, exact
SOURCE = Source("A paper", "Theorem 1")

@check(n=st.integers(0, 100))
def small(lab, n, top=101):
    yield exact("too large", int(n >= top)).equals(0)

"""
TRUE = (
    'true = Claim(id="t/true", source=SOURCE, statement="$n$ is small", checks=(small,), '
    "controls=(small.but(top=30),))\n"
)
FALSE = """
@check(n=st.integers(0, 100))
def smaller(lab, n, top=30):
    yield exact("too large", int(n >= top)).equals(0)

false = Claim(id="t/false", source=SOURCE, statement="s", checks=(smaller,),
              controls=(smaller.but(top=101).must_hold(),){expect})
"""
UNDECIDED = 'open_one = Claim(id="t/open", source=SOURCE, statement="s", checks=(small,))\n'
BROKEN = """
@check()
def raises(lab, x=0):
    raise RuntimeError("out of chalk")
    yield

broken = Claim(id="t/broken", source=SOURCE, statement="s", checks=(raises,),
               controls=(raises.but(x=1),))
"""


@pytest.fixture
def go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(text, *options, name="claims.py"):
        Path(name).write_text(HEAD + text)
        files = [o for o in options if o.endswith(".py")]
        rest = [o for o in options if not o.endswith(".py")]
        here = [] if "--workers" in rest else ["--workers", "1", "--no-isolate"]
        code = main(["run", name, *files, *here, "--out", "out", *rest])
        return code, capsys.readouterr()

    return run


def verdicts():
    found, problems = records.read("out/records.jsonl")
    assert not problems
    return {r.claim: r.verdict.value for r in found}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (TRUE, 0),
        (FALSE.format(expect=""), 1),
        (FALSE.format(expect=", expect=Verdict.REFUTED"), 0),
        (UNDECIDED, 3),
        (BROKEN, 4),
        (UNDECIDED + FALSE.format(expect=""), 1),
        (UNDECIDED + FALSE.format(expect="") + BROKEN, 4),
    ],
)
def test_exit_codes_and_their_precedence(go, text, code):
    assert go(text)[0] == code


def test_a_run_writes_records_and_a_report_and_says_where(go):
    code, out = go(TRUE)
    assert code == 0
    assert verdicts() == {"t/true": "verified"}
    assert "report:  out/index.html" in out.out
    assert "<html" in Path("out/index.html").read_text()
    assert not Path("out/records.partial.jsonl").exists()
    assert "\x1b[" not in out.out  # not a terminal: plain lines


@pytest.mark.fault(1)
def test_an_error_does_not_stop_the_others(go):
    code, out = go(BROKEN + TRUE)
    assert code == 4
    assert verdicts() == {"t/broken": "error", "t/true": "verified"}
    assert "out of chalk" in out.out


@pytest.mark.fault(24)
def test_a_module_that_does_not_import_is_an_error_and_the_rest_runs(go):
    Path("bad.py").write_text("import no_such_thing_at_all\n")
    code, out = go(TRUE, "bad.py")
    assert code == 4
    assert verdicts() == {"bad.py": "error", "t/true": "verified"}
    assert "no_such_thing_at_all" in out.out
    assert "could not be imported; mend it" in out.out


def test_a_malformed_id_says_how_ids_look(go):
    evil = 'evil = Claim(id="../x", source=SOURCE, statement="s", checks=(small,))\n'
    Path("evil.py").write_text(HEAD + evil)
    code, out = go(TRUE, "evil.py")
    assert code == 4
    assert "claim id '../x' is malformed. Use lower-case words" in out.out
    assert verdicts()["t/true"] == "verified"


def test_a_duplicate_id_is_an_error_that_names_the_first(go):
    Path("again.py").write_text(HEAD + TRUE)
    code, out = go(TRUE, "again.py")
    assert code == 4
    assert "'t/true' is already used by claims.py:true" in out.out
    assert verdicts() == {"t/true": "verified", "again.py:true": "error"}


@pytest.mark.fault(20)
def test_hostile_text_reaches_neither_terminal_nor_page(go):
    evil = """
evil = Claim(id="t/evil", source=SOURCE, title="<script>alert(1)</script>",
    statement="<script>alert(1)</script> \\x1b[31m " + "x" * 1_000_000, checks=(small,),
    controls=(small.but(top=30),))
"""
    code, out = go(evil)
    assert code == 0
    assert "\x1b" not in out.out
    page = Path("out/index.html").read_text()
    assert "<script>alert" not in page
    assert len(page) < 500_000


@pytest.mark.fault(14)
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_gpu_is_one_line_that_says_what_to_do(go):
    code, out = go(TRUE, "--device", "cuda")
    assert code == 2
    assert out.err.count("\n") == 1
    assert "sees 0 CUDA devices" in out.err
    assert "use --device cpu" in out.err


def test_an_unknown_device_is_a_usage_error(go):
    code, out = go(TRUE, "--device", "abacus")
    assert code == 2
    assert "unknown device 'abacus'; choose auto, cpu, cuda or cuda:N" in out.err


@pytest.mark.fault(9)
def test_an_unwritable_folder_is_said_before_anything_runs(go, tmp_path):
    Path("out").write_text("I am a file")
    code, out = go(TRUE)
    assert code == 4
    assert "output folder out cannot be written" in out.err
    assert "nothing was run" in out.err
    assert Path("out").read_text() == "I am a file"


def test_a_disk_that_fills_up_keeps_the_old_report(go, monkeypatch):
    go(TRUE)
    before = Path("out/index.html").read_text(), Path("out/records.jsonl").read_text()

    whole = records.write_text

    def full(path, text):
        if Path(path).name in ("records.jsonl", "index.html"):
            raise OSError(28, "No space left on device")
        whole(path, text)

    monkeypatch.setattr(records, "write_text", full)
    code, out = go(TRUE, "--seed", "1")
    assert code == 4
    assert "No space left on device" in out.err
    assert "Finished records are in" in out.err
    assert before == (Path("out/index.html").read_text(), Path("out/records.jsonl").read_text())
    found, _ = records.read("out/records.partial.jsonl")
    assert len(found) == 1


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["run", "no_such_module"], "no module 'no_such_module'"),
        (["run", "kumar2024/equation-88"], "no claim, item or paper is called 'kumar2024/equa"),
        (["run", "mohamadi2024/definition-2.1"], "has no claim to run. Not checked: "),
        (["run", "claims.py", "--workers", "0"], "--workers 0: give at least 1"),
        (["run", "claims.py", "--executor", "nowhere:x"], "--executor nowhere:x"),
        (["run", "claims.py", "--memory", "2 apples"], "a memory of 2 apples: give bytes, such as"),
        (["run", "claims.py", "--memory", "0"], "a memory of 0: give bytes"),
        (["report", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["replay", "claims.py:true"], "needs --check NAME and --case JSON"),
        (["replay", "claims.py:true", "--check", "small", "--case", "{"], "is not JSON"),
        (["replay", "claims.py:true", "--check", "big", "--case", "{}"], "no check called 'big'"),
        (["show", "mohamadi2024/entk"], "no item or claim is called"),
        (["list", "--paper", "nobody1999"], "no paper is called 'nobody1999'"),
    ],
)
def test_usage_errors_exit_with_2_and_a_reason(go, capsys, argv, text):
    go(TRUE)
    assert main([*argv, "--out", "o"] if argv[0] == "run" else argv) == 2
    assert text in capsys.readouterr().err


def test_the_memory_to_plan_with_reaches_the_records_and_changes_no_resume(go, capsys):
    go(TRUE, "--memory", "1.5 GB")
    (record,) = records.read("out/records.jsonl")[0]
    assert record.lab["memory"] == 1_500_000_000
    go(TRUE, "--memory", "500MB", "--resume")
    (kept,) = records.read("out/records.jsonl")[0]
    assert kept.lab["memory"] == 1_500_000_000


def test_replay_from_a_record_and_from_the_copied_line(go, capsys):
    from grokverify.cli import replay_line

    go(FALSE.format(expect=""))
    assert main(["replay", "out/records.jsonl"]) == 1
    assert "too large = 1 fails to be equal to 0" in capsys.readouterr().out
    (record,), _ = records.read("out/records.jsonl")
    line = replay_line(record)
    assert line.startswith("grokverify replay claims.py:false --check smaller --case")
    import shlex

    assert main(shlex.split(line)[1:]) == 1


def test_diff_tells_regressions_by_its_exit_code(go, capsys):
    go(TRUE)
    Path("old.jsonl").write_text(Path("out/records.jsonl").read_text())
    assert main(["diff", "old.jsonl", "out/records.jsonl"]) == 0
    go(TRUE.replace("top=30", "top=101"), "--workers", "1")  # a process of its own: a fresh import
    assert main(["diff", "old.jsonl", "out/records.jsonl"]) == 1
    assert "REGRESSION  t/true: verdict verified -> inconclusive" in capsys.readouterr().out


@pytest.mark.fault(10)
def test_damaged_records_are_reported_and_the_rest_is_read(go, capsys):
    go(TRUE)
    with open("out/records.jsonl", "a") as file:
        file.write('{"claim": "old", "schema": 0}\n{"claim": "cut')
    assert main(["report", "out/records.jsonl", "--out", "page.html"]) == 0
    err = capsys.readouterr().err
    assert "schema 0, this version reads 1" in err
    assert "truncated or damaged" in err
    assert "t/true" in Path("page.html").read_text()


@pytest.mark.fault(16)
def test_two_workers_give_the_records_of_one(go):
    text = TRUE + FALSE.format(expect=", expect=Verdict.REFUTED")
    go(text)
    one, _ = records.read("out/records.jsonl")
    code, _ = go(text, "--workers", "2")
    two, _ = records.read("out/records.jsonl")
    assert code == 0
    assert records.diff(one, two) == []
    assert [r.checks[0].witness for r in one] == [r.checks[0].witness for r in two]


def test_a_worker_that_dies_is_named_and_the_rest_runs(go):
    dying = """
@check()
def dies(lab, x=0):
    import os
    os._exit(7)
    yield

dying = Claim(id="t/dying", source=SOURCE, statement="s", checks=(dies,),
              controls=(dies.but(x=1),))
"""
    code, out = go(dying + TRUE, "--workers", "2")
    assert code == 4
    found = verdicts()
    assert found["t/true"] == "verified"
    assert found["t/dying"] == "error"
    assert "worker lost: the process ended with exit code 7 (2 attempts)" in out.out


def test_doctor_examines_this_machine(capsys):
    assert main(["doctor", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "self-test: float64 matrix products of integers equal the integer ones" in out
    assert "FAIL" not in out


def test_records_are_json_lines(go):
    go(TRUE)
    line, last = Path("out/records.jsonl").read_text().splitlines()
    assert json.loads(line)["verdict"] == "verified"
    assert json.loads(last)["closes"][0] == 1
