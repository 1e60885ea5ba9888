"""The README's example runs outside the repository, with both front ends, and fits 40 lines."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from grokverify.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def example(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "my_claim.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    return code


def test_the_example_is_short(example):
    assert len([line for line in example.splitlines() if line.strip()]) <= 40


def test_the_example_runs_on_the_command_line(example, capsys):
    assert main(["run", "my_claim.py", "--workers", "1", "--out", "out"]) == 0
    assert "mine/adam-equivariance" in capsys.readouterr().out
    assert "mine/adam-equivariance" in Path("out/index.html").read_text()


def test_the_example_runs_under_pytest(example):
    command = [sys.executable, "-m", "pytest", "-q", "-m", "theorem", "my_claim.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 verified" in done.stdout


def test_every_link_of_the_readmes_resolves():
    for page in (ROOT / "README.md", ROOT / "theorems/README.md", ROOT / "docs/README.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"
