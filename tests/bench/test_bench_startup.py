"""Processor time until the package is there, and until ``list`` has answered.

Skipped by default; see test_bench_kernels.py for how it is run. Each in a fresh process.
"""

import re
import resource
import subprocess
import sys
from statistics import median

import pytest
from paired import record_machine

ROUNDS = 5
CODE = {
    "package": "import grokverify",
    "parser": "from grokverify.cli import _parser; _parser()",
    "list": "import sys; from grokverify.cli import main; sys.stdout = sys.stderr; main(['list'])",
    "lab": "from grokverify import Lab; Lab()",
}


def spent(code):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@pytest.mark.parametrize("what", CODE)
def test_startup(benchmark, what):
    spent(CODE[what])
    record_machine(benchmark.extra_info)
    bare = median(spent("pass") for _ in range(ROUNDS))
    own = median(spent(CODE[what]) for _ in range(ROUNDS))
    benchmark.extra_info["starts"] = what
    benchmark.extra_info["processor ms beyond Python's own"] = round(1000 * (own - bare))
    if what != "lab":
        benchmark.extra_info["target, processor ms"] = "under 300, without torch"
    benchmark.pedantic(lambda: spent(CODE[what]), rounds=ROUNDS)


def test_import_time(benchmark):
    command = [sys.executable, "-X", "importtime", "-c", "import grokverify, grokverify.cli"]

    def total():
        told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        lines = re.findall(r"\| +(\d+) \| (\s*)grokverify(\.cli)?$", told, flags=re.MULTILINE)
        return sum(int(us) for us, indent, _ in lines if not indent) / 1000

    total()
    benchmark.extra_info["import, ms"] = median(total() for _ in range(ROUNDS))
    benchmark.pedantic(total, rounds=1)
