"""Data flows one way: the import table of the architecture, checked on the syntax trees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "grokverify"
WORDS = {"_curves", "_difference", "_evidence", "_proved", "_tally", "_verdict", "records"}
WORDS |= {"worked"}
PLACE = {"_lab", "_machine", "_settings", "memory"}
CLAIM = {"_claim"}
ENGINE = {
    "_adversary",
    "_measure",
    "_notes",
    "_ongoing",
    "_outcome",
    "_plan",
    "_sources",
    "_sweep",
    "_verify",
}
ENGINE |= {"_run", "_verify"}
FRONTS = {"__init__", "__main__", "plugin", "cli", "report", "ledger", "testing", "executors"}
FRONTS |= {
    "_text",
    "_batch",
    "_child",
    "_devices",
    "_doctor",
    "_folder",
    "_grid",
    "_isolate",
    "_progress",
    "audit",
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").parts[0], path


def imported(path, *, top_level=False):
    """Dotted names a file imports; with ``top_level``, only what runs on import."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
            if node.module == "grokverify":
                yield from (f"grokverify.{alias.name}" for alias in node.names)


def own(path):
    """The grokverify modules a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("grokverify.")}


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda v: str(v)[-40:])
def test_layers(name, path):
    used = own(path)
    if name in WORDS:
        assert used <= WORDS | {"report"}, "layer 0 knows only words (a card is made by the report)"
    elif name in PLACE:
        assert used <= WORDS | PLACE
    elif name in CLAIM:
        assert used <= WORDS | {"_lab", "report"}, "a card is made by the report"
    elif name in ENGINE:
        assert used <= WORDS | PLACE | CLAIM | ENGINE
    elif name == "report":
        assert used <= {"_curves", "_evidence", "_verdict", "records", "report"}
    elif name not in FRONTS:  # the tools: mathematics, which knows no claim
        assert not used & (CLAIM | ENGINE | FRONTS), f"{name} is a tool and may not know claims"


def test_the_package_never_imports_the_theorems():
    for _, path in modules():
        assert not any(name.split(".")[0] == "theorems" for name in imported(path)), path


LIGHT = [
    "_curves.py",
    "_evidence.py",
    "_verdict.py",
    "records.py",
    "ledger.py",
    "plugin.py",
    "cli/*.py",
]


@pytest.mark.parametrize("path", [p for pattern in LIGHT for p in PACKAGE.glob(pattern)], ids=str)
def test_light_modules_load_nothing_heavy(path):
    heavy = {"torch", "numpy", "scipy", "sympy", "hypothesis", "matplotlib", "jinja2"}
    for name in imported(path, top_level=True):
        assert name.split(".")[0] not in heavy, f"{path} imports {name} at the top"


def test_the_report_needs_no_torch():
    for path in (PACKAGE / "report").rglob("*.py"):
        assert not any(name.split(".")[0] in ("torch", "numpy") for name in imported(path)), path


def test_theorems_use_public_names_only():
    for path in (ROOT / "theorems").rglob("*.py"):
        for name in imported(path):
            parts = name.split(".")
            private = parts[0] == "grokverify" and any(part.startswith("_") for part in parts)
            assert not private, f"{path} imports {name}"


def test_only_tools_build_measurements_directly():
    """The grade is as honest as the constructor: a theorem may not choose it."""
    for path in (ROOT / "theorems").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "id", getattr(node.func, "attr", ""))
                assert called not in ("Measurement", "enclosed"), f"{path}:{node.lineno}"


def test_no_ambient_state():
    forbidden = ("set_default_dtype", "manual_seed", "set_num_threads", "set_flush_denormal")
    for folder in (PACKAGE, ROOT / "theorems"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and path.name != "_settings.py":  # puts them back
                    called = getattr(node.func, "attr", "")
                    assert called not in forbidden, f"{path}:{node.lineno} calls {called}"


@pytest.mark.parametrize("folder", ["grokverify", "theorems"])
def test_files_and_functions_stay_short(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, f"{path} is over 300 lines"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}: {node.name} has {length} lines"
