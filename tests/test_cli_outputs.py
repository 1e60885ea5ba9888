"""The commands that turn records into something else, and the one that starts a claim."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest

from grokverify import Lab, ledger, records
from grokverify._verify import failed
from grokverify.cli import main


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """A claim from ``new``, run: its folder is the current one and holds out/records.jsonl."""
    monkeypatch.chdir(tmp_path)
    assert main(["new", "my_claim.py"]) == 0
    assert main(["run", "my_claim.py", "--no-isolate", "--profile", "smoke", "--out", "out"]) == 0
    capsys.readouterr()
    return tmp_path


def test_a_new_claim_passes_and_can_be_exported_in_every_form(made, capsys):
    path = "out/records.jsonl"
    for words, told in (
        (["summary", path], "✓ 1 verified"),
        (["export", "--csv", path], "mine/my-claim,My paper,Lemma 1,"),
        (["badge", path], "<svg "),
        (["schema"], '"const": 1'),
        (["diff", path, path, "--html", "out/diff.html"], "no difference"),
    ):
        assert main(words) == 0, words
        assert told in capsys.readouterr().out
    assert "<h1>What changed between two runs</h1>" in (made / "out/diff.html").read_text()
    assert main(["badge", path, "--json", "--out", "out/badge.json"]) == 0
    assert json.loads((made / "out/badge.json").read_text())["message"] == "1 verified, 0 refuted"


def test_a_new_claim_passes_under_pytest(made):
    command = [sys.executable, "-m", "pytest", "-q", "-m", "theorem", "my_claim.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_claim_is_inconclusive_without_its_controls(made, capsys):
    path = made / "my_claim.py"
    text = path.read_text()
    controls = "    controls=(by_adding.but(exponent=3), by_induction.but(step=2)),\n"
    assert controls in text
    (made / "bare.py").write_text(text.replace(controls, ""))
    words = ["run", "bare.py", "--no-isolate", "--profile", "smoke", "--out", "bare"]
    assert main(words) == 3
    assert "toothless" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("my_claim.py", "my_claim.py is there already; choose another name."),
        ("claim.txt", "claim.txt is no Python file; give a name that ends in .py."),
        ("no/where.py", "no/where.py cannot be written (No such file or directory)."),
    ],
)
def test_new_never_overwrites_and_says_why(made, capsys, name, told):
    before = (made / "my_claim.py").read_text()
    assert main(["new", name]) == 2
    assert told in capsys.readouterr().err
    assert (made / "my_claim.py").read_text() == before


def test_names_of_files_make_sound_ids(made, capsys):
    for name in ("Größe 7.py", "_-_.py", "a" * 150 + ".py"):
        capsys.readouterr()
        assert main(["new", name]) == 0
        line = capsys.readouterr().out.splitlines()[1]
        assert shlex.split(line) == ["grokverify", "run", name]
        words = ["run", name, "--no-isolate", "--profile", "smoke", "--out", f"{name}.d"]
        assert main(words) == 0, capsys.readouterr()


def test_show_puts_the_card_of_an_earlier_run_under_the_claim(capsys, tmp_path):
    item = next(i for i in ledger.read() if i.claims)
    name, ref = item.claims[0]
    path = tmp_path / "records.jsonl"
    assert main(["show", name, "--records", str(path)]) == 0
    assert "┌" not in capsys.readouterr().out
    records.write(path, [replace(failed(ref, Lab(), "out of chalk", ""), claim=name)])
    assert main(["show", name, "--records", str(path)]) == 0
    told = capsys.readouterr().out
    assert "    ┌ ! error" in told
    assert "    │ out of chalk" in told
    assert f"    └ {name}" in told


@pytest.mark.parametrize(
    ("words", "cut"),
    [
        (["--profile", "quick"], False),
        (["--profile", "standard"], True),
        (["--profile", "standard", "--workers", "1"], False),
        (["--profile", "standard", "--split", "never"], False),
        (["--profile", "quick", "--split", "always"], True),
    ],
)
def test_long_claims_are_cut_for_several_workers(monkeypatch, capsys, tmp_path, words, cut):
    seen = {}

    def run(refs, *rest, parts, **more):
        seen.update(refs=refs, parts=parts)
        return iter(())

    monkeypatch.setattr("grokverify._batch.run", run)
    long = next(i for i in ledger.read() if i.claims and i.cost == "minutes")
    main(["run", long.claims[0][0], "--workers", "2", *words, "--out", str(tmp_path)])
    assert list(seen["parts"]) == (seen["refs"] if cut else [])


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ([], 3600),
        (["--profile", "standard"], 21600),
        (["--profile", "paper"], None),
        (["--timeout", "0"], None),
        (["--profile", "paper", "--timeout", "2.5"], 2.5),
    ],
)
@pytest.mark.parametrize("command", ["run", "sweep"])
def test_what_hangs_ends_unless_told_otherwise(monkeypatch, tmp_path, command, words, seconds):
    seen = {}

    def run(*rest, task, **more):
        seen.update(task.keywords)
        return iter(())

    monkeypatch.setattr("grokverify._batch.run", run)
    monkeypatch.setattr("grokverify._grid.spread", run)
    one = "kumar2024/kernel-under-decay"
    main([command, one, *words, "--out", str(tmp_path)])
    assert seen == {"timeout": seconds}


@pytest.mark.parametrize("given", ["-1", "nan", "inf"])
def test_a_timeout_is_a_time(capsys, given):
    for command in ("run", "sweep"):
        assert main([command, "kumar2024/kernel-under-decay", "--timeout", given]) == 2
        assert f"--timeout {given}: give seconds, or 0 for no end." in capsys.readouterr().err


def without_reader(*words):
    """A command whose standard output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        return subprocess.run(
            [sys.executable, "-m", "grokverify", *words],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )


def test_a_reader_that_leaves_loses_no_record_and_is_not_called_a_full_disk(made):
    words = ["run", "my_claim.py", "--no-isolate", "--profile", "smoke", "--out", "piped"]
    done = without_reader(*words)
    assert done.returncode == 4
    assert "nobody reads the output any more; 1 finished records are in piped" in done.stderr
    assert len(records.read("piped/records.partial.jsonl")[0]) == 1
    audit = without_reader("audit", "out/records.jsonl")
    assert audit.returncode != 0
    assert "cannot be read" not in audit.stderr
