"""The audit accepts what was recorded, and rejects every forgery that was thought of."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lines import altered, audited, certificates, closed

import grokverify.audit
from grokverify import _witness, records
from grokverify.audit import audit
from grokverify.cli import main
from grokverify.records import from_json


def test_many_claims_may_not_spend_more_than_a_run(line, tmp_path):
    def spend(body, k):
        body["checks"][0].update(body["checks"][2], risk=1.4e-6)
        body["controls"] = [{**body["controls"][2], "breaks": "seldom"}]
        body["claim"] += f"-{k}"
        del body["checks"][1:]

    lines = [altered(line, lambda body, k=k: spend(body, k)) for k in range(720)]
    assert audited(tmp_path, *lines[:700])[1] == []
    _, wrong = audited(tmp_path, *lines)
    assert wrong == ["the claims together spend more than the 1e-3 of a run"]


CHANGES = {
    "refuted, but verified follows": lambda b: b.update(verdict="refuted"),
    "verified, but inconclusive follows": lambda b: b["controls"].pop(),
    "verified, but error follows": lambda b: b["controls"][0].update(error="ValueError"),
    "'rank' holds 3 times, but 4 times by its numbers": lambda b: b["checks"][0]["tallies"][
        0
    ].update(held=3, failed=1),
    "has numbers outside of those measured": lambda b: b["checks"][0]["tallies"][0]["decided"][
        0
    ].__setitem__(1, 9),
    "'square' is symbolic, but has": lambda b: b["checks"][1]["tallies"][0]["decided"][
        0
    ].__setitem__(1, 0.0),
    "said to hold, against its comparisons": lambda b: b["controls"][0].update(truth="holds"),
    "said to be undecided, but a comparison failed": lambda b: b["controls"][0].update(
        truth="undecided"
    ),
    "malformed (ValueError: zip()": lambda b: next(
        c for _, c in certificates(b, "rank") if len(c["proof"]["matrix"]) > 1
    )["proof"]["matrix"].__setitem__(0, "1"),
    "undecided without a reason": lambda b: b["checks"][0].update(truth="undecided"),
    "fails without a witness": lambda b: b["controls"][0].update(witness=None),
    "graded symbolic, but its weakest comparison certified": lambda b: b["checks"][0].update(
        grade="symbolic"
    ),
    "spends risk 1e-06, more than its share": lambda b: b["checks"][2].update(risk=1e-6),
    "a statistical comparison without risk": lambda b: b["checks"][2].update(risk=0.0),
    "has risk 0.01 to spend, over 3e-06": lambda b: b["lab"].update(alpha=0.01),
    "a control stands among the checks": lambda b: b["checks"][0].update(must="hold"),
    "schema 7, but this audit reads 1": lambda b: b.update(schema=7),
    "two tallies have one name": lambda b: b["checks"][0]["tallies"].append(
        b["checks"][0]["tallies"][0]
    ),
    "malformed (KeyError": lambda b: b["checks"][0].pop("tallies"),
    "'rank' has an empty enclosure or count": lambda b: b["checks"][0]["tallies"][0]["decided"][
        0
    ].__setitem__(0, -1),
    "'rank' has a strange count": lambda b: b["checks"][0]["tallies"][0].update(failed=-1),
    "9 comparisons, 4 carried": lambda b: b["checks"][0]["tallies"][0].update(held=9),
    "8 cases, but": lambda b: b["checks"][2].update(cases=8),
    "unknown truth 'maybe'": lambda b: b["checks"][0].update(truth="maybe"),
}


@pytest.mark.parametrize("text", CHANGES)
def test_what_does_not_follow_is_rejected_although_it_is_sealed(line, tmp_path, text):
    _, wrong = audited(tmp_path, altered(line, CHANGES[text]))
    assert len(wrong) == 1
    assert text in wrong[0]


def test_a_hundred_altered_bytes_are_all_rejected(line, tmp_path):
    rng = np.random.default_rng(2024)
    path = tmp_path / "records.jsonl"
    whole = closed(line).encode()
    path.write_bytes(whole)
    assert audit(path)[1] == []
    for _ in range(100):
        at, by = rng.integers(len(whole)), rng.integers(1, 256)
        bad = bytearray(whole)
        bad[at] ^= by
        path.write_bytes(bad)
        assert audit(path)[1], (at, by, whole[at - 20 : at + 20])


@pytest.mark.parametrize(
    ("old", "new"), [(": 0.1", ": .1"), ('": ', '":\t'), ("test/", "t\\u0065st/"), ("\n", "\n\n")]
)
def test_the_same_content_in_another_form_is_rejected(line, tmp_path, old, new):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line).replace(old, new, 1))
    assert audit(path)[1]


def test_a_cut_file_is_rejected(line, tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line)[:-1])
    assert "does not end with a line: cut off or altered" in audit(path)[1][-1]
    path.write_text(closed(line)[:-50])
    assert "does not end with a line: cut off or altered" in audit(path)[1][-1]
    path.write_text("")
    assert audit(path)[1] == ["the file is empty"]


def test_a_lost_an_added_and_a_doubled_line_are_rejected(line, tmp_path):
    path = tmp_path / "records.jsonl"
    other = altered(line, lambda body: body.update(claim="test/other"))
    whole = closed(line, other)
    path.write_text(whole)
    assert audit(path)[1] == []
    first, second, last = whole.splitlines(keepends=True)
    third = altered(line, lambda body: body.update(claim="test/third")) + "\n"
    changed = {
        "lost": first + last,
        "exchanged": second + first + last,
        "added": first + second + third + last,
    }
    for text in changed.values():
        path.write_text(text)
        assert "counts other lines than those before it" in audit(path)[1][0]
    path.write_text(first + second)
    assert "counts other lines than those before it" in audit(path)[1][0]
    path.write_text(closed(line, line))
    assert audit(path)[1] == ["line 2: a second record of test/certificates"]
    path.write_text(whole + whole)
    assert audit(path)[1]


def test_a_file_is_written_closed_and_read_with_the_same_care(line, tmp_path):
    path = tmp_path / "records.jsonl"
    record = from_json(line)
    records.write(path, [record])
    assert audit(path)[1] == []
    assert records.read(path) == ([record], [])
    path.write_text(closed(line, altered(line, lambda b: b.update(claim="test/other"))))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    (kept,), (problem,) = records.read(path)
    assert kept.claim == "test/other"
    assert "line 2: it counts other lines than the 1 before it" in problem
    records.write(path, [record], closed=False)
    records.append(path, record)
    assert records.read(path) == ([record], [])


def test_the_command(line, tmp_path, capsys):
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line))
    assert main(["audit", str(path)]) == 0
    assert "1 records" in capsys.readouterr().out
    path.write_text(closed(altered(line, CHANGES["refuted, but verified follows"])))
    assert main(["audit", str(path)]) == 1
    assert "REJECTED line 1: test/certificates says refuted" in capsys.readouterr().out
    assert main(["audit", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read (No such file or directory); run the" in capsys.readouterr().err


def test_the_reference_run_follows_from_its_numbers():
    seen, wrong = audit(Path(__file__).parents[2] / "reports/reference/records.jsonl")
    assert wrong == []
    assert seen["records"] > 100


def test_the_checker_stands_alone(line, tmp_path):
    """Two files of less than 300 lines: one checks certificates, and the other the records."""
    for module in (grokverify.audit, _witness):
        source = Path(module.__file__).read_text()
        assert len(source.splitlines()) < 300
        for node in ast.walk(ast.parse(source)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            alone = sys.stdlib_module_names | {"grokverify._witness"}
            assert all(name in alone or name.split(".")[0] in alone for name in names), names
    path = tmp_path / "records.jsonl"
    path.write_text(closed(line))
    root = Path(grokverify.__file__).parents[1]
    alone = [sys.executable, "-S", "-m", "grokverify.audit", path]  # -S: nothing is installed
    done = subprocess.run(alone, capture_output=True, text=True, check=True, cwd=root)
    assert "1 records" in done.stdout


def test_the_command_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from grokverify.cli import main; main(['audit', '/nowhere']);"
        "heavy = {'torch', 'numpy', 'sympy', 'scipy', 'theorems', 'hypothesis'};"
        "sys.exit(1 if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0
