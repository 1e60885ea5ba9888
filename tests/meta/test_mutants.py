"""The mutation suite: each small fault planted in the library makes some test or claim fail.

A sample runs by default, all of them with ``pytest -m slow tests/meta/test_mutants.py``.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = tomllib.loads((Path(__file__).with_name("mutants.toml")).read_text())["mutant"]
AREAS = ("nets", "kernels", "groups", "fourier", "training", "margins", "linalg", "stats")
AREAS += ("symbolic", "flows", "_lab", "_verdict", "_sweep", "audit", "_witness")
SAMPLE = MUTANTS[0], MUTANTS[-2]


class Nursery:
    """The process that runs killers with a fault in place, and remembers those without one."""

    def __init__(self, folder):
        self.folder, self.sound = folder, {}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )

    def ask(self, killer, file="", old="", new=""):
        log = str(self.folder / "log")
        task = {"killer": killer, "file": file, "old": old, "new": new, "log": log}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()), Path(log).read_text()[-2000:]

    def passes(self, killer):
        if killer not in self.sound:
            self.sound[killer] = self.ask(killer)
        return self.sound[killer]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.process.communicate()


def is_killed(nursery, mutant):
    for killer in mutant["killers"]:
        code, log = nursery.passes(killer)
        assert code == 0, f"{killer} fails without any fault: {log}"
        if nursery.ask(killer, mutant["file"], mutant["old"], mutant["new"])[0] != 0:
            return True
    return False


def name(mutant):
    return f"{mutant['file'].removeprefix('grokverify/')}: {mutant['new'][:50]}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_every_fault_fits_its_file(mutant):
    found = (ROOT / mutant["file"]).read_text().count(mutant["old"])
    assert found == 1, f"found {found} times: the file has changed, write the fault anew"


@pytest.mark.parametrize("mutant", SAMPLE, ids=name)
def test_a_sample_of_the_faults_is_noticed(nursery, mutant):
    assert is_killed(nursery, mutant)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_every_fault_is_noticed(nursery, mutant):
    assert is_killed(nursery, mutant)


def test_a_change_without_effect_is_not_noticed(nursery):
    """The suite can fail: an equivalent program survives."""
    harmless = {
        "file": "grokverify/nets.py",
        "old": "return (V @ (z * z)).T",
        "new": "return (V @ (z * z * 1)).T",
        "killers": ["tests/test_nets.py"],
    }
    assert not is_killed(nursery, harmless)


def test_the_suite_covers_the_library():
    assert len(MUTANTS) >= 40
    for area in AREAS:
        assert any(area in m["file"] for m in MUTANTS), f"no fault is planted in {area}"
