"""The documents do what they say: examples run, commands and options exist, links resolve."""

import argparse
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from grokverify.cli import _parser, main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "theorems/README.md"]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "reports").rglob("README.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page, *languages):
    return [text for language, text in FENCE.findall(page.read_text()) if language in languages]


EXAMPLES = [(page, text) for page in PAGES for text in blocks(page, "python")]


def name(value):
    return value.name if isinstance(value, Path) else ""


@pytest.mark.parametrize(("page", "code"), EXAMPLES, ids=name)
def test_every_example_is_short_and_runs(page, code, tmp_path, monkeypatch, capsys):
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    (tmp_path / "my_claim.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    if "Claim(" not in code:  # a helper: it must import; what it connects to is not here
        for module in re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE):
            pytest.importorskip(module, reason=f"{module} is not installed")
        runpy.run_path("my_claim.py")
        return
    assert main(["run", "my_claim.py", "--workers", "1", "--out", "out"]) == 0
    for claim in re.findall(r'\bid="([^"]+)"', code):
        assert claim in capsys.readouterr().out + Path("out/index.html").read_text()


def test_there_are_examples():
    assert {page.name for page, _ in EXAMPLES} >= {"README.md", "tutorial.md"}


def test_the_example_of_the_readme_runs_under_pytest(tmp_path, monkeypatch):
    (code,) = blocks(ROOT / "README.md", "python")
    (tmp_path / "my_claim.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "theorem", "my_claim.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 verified" in done.stdout


def test_the_tutorial_can_be_followed(tmp_path, monkeypatch, capsys):
    """Its file, then its commands in order; what it shows of their output is what they print."""
    page = ROOT / "docs/tutorial.md"
    (code,) = blocks(page, "python")
    (tmp_path / "norm.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    commands = [line for text in blocks(page, "sh") for line in text.splitlines()]
    assert [main(shlex.split(line)[1:]) for line in commands] == [0, 1]
    varies = re.compile(
        r"^\[ *\d/2\]| {2,}[\d.]+ s", re.MULTILINE
    )  # two workers finish in any order
    printed = varies.sub("", capsys.readouterr().out)
    for shown in blocks(page, ""):
        for line in shown.splitlines():
            assert varies.sub("", line) in printed, line
    wrong = code.replace("3 + (D - 1)", "3 + D")
    assert wrong != code
    (tmp_path / "broken.py").write_text(wrong)
    assert main(["run", "broken.py", "--no-isolate", "--out", "broken"]) != 0


def commands():
    """Every command line in a block or in inline code, without comments."""
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in blocks(page, "", "sh") for line in block.splitlines()]
        lines += re.findall(r"`((?:grokverify|make|pytest|pip|uv) [^`]+)`", FENCE.sub("", text))
        for line in lines:
            words = line.split("  #")[0].split()
            if words and words[0] in ("grokverify", "make", "pip", "uv"):
                yield page.name, words


def test_every_command_and_option_in_the_documents_exists():
    (action,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    seen = set()
    for page, words in commands():
        told = f"{page}: {' '.join(words)}"
        seen.add(words[0])
        if words[0] == "grokverify":
            assert words[1] in action.choices, told
            options = set(action.choices[words[1]]._option_string_actions)
            for word in words[2:]:
                if word.startswith("--"):
                    assert word in options, told
        elif words[0] == "make":
            assert words[1] in targets, told
        else:
            for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
                assert extra in project["optional-dependencies"], told
    assert seen == {"grokverify", "make", "pip", "uv"}


def test_every_command_is_in_the_readme():
    (action,) = [a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)]
    told = {words[1] for _, words in commands() if words[0] == "grokverify"}
    assert set(action.choices) <= told


def test_every_link_of_the_documents_resolves():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.slow
def test_the_reference_is_built_from_the_docstrings(tmp_path):
    pytest.importorskip("pdoc", reason="pdoc is not installed")
    command = [sys.executable, "docs/api.py", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "grokverify.html").read_text()
    assert "Warn" not in done.stderr
    assert "Any ``exact`` number" in page or 'id="exact"' in page
    assert (tmp_path / "grokverify/records.html").exists()
