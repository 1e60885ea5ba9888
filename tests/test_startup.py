"""What reads records and the ledger starts without torch, and without a claim."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDS = str(ROOT / "reports/reference/records.jsonl")
HEAVY = {"torch", "numpy", "scipy", "sympy", "hypothesis", "theorems.mohamadi2024.setup"}
COMMANDS = [
    ["list"],
    ["show", "mohamadi2024/equation-2.2"],
    ["report", RECORDS, "--out", "page.html"],
    ["diff", RECORDS, RECORDS],
    ["trust", RECORDS],
    ["summary", RECORDS],
    ["export", RECORDS],
    ["badge", RECORDS],
    ["schema"],
]


def loaded(code, folder):
    code += f"\nimport sys; print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_no_torch_where_it_is_not_needed(words, tmp_path):
    code = f"from grokverify.cli import main; assert main({words!r}) == 0"
    assert loaded(code, tmp_path) == []


def test_help_loads_nothing(tmp_path):
    code = "from grokverify.cli import main\ntry: main(['--help'])\nexcept SystemExit: print()"
    assert loaded(code, tmp_path) == []


def test_the_package_itself_loads_nothing(tmp_path):
    assert loaded("import grokverify", tmp_path) == []


def test_the_auditor_loads_nothing(tmp_path):
    """Its own exit code is not asked for here: a truncated file is enough to start it."""
    (tmp_path / "empty.jsonl").write_text("")
    code = "from grokverify.cli import main; main(['audit', 'empty.jsonl'])"
    assert loaded(code, tmp_path) == []


def test_a_claim_does_need_torch(tmp_path):
    assert "torch" in loaded("from grokverify import Lab; Lab()", tmp_path)
