"""The fault table: what may go wrong, and that each row is injected by some test.

Tests carry the rows they inject, ``@pytest.mark.fault(4)``; ``make faults`` runs them all.
"""

import ast
from pathlib import Path

import pytest

TABLE = {
    1: "a claim raises: that claim is an error with its traceback, the others run, exit code 4",
    2: "a claim hangs in Python: killed at the limit, the run goes on",
    3: "a claim hangs in C or on a device: killed at the limit plus a few seconds",
    4: "segfault, os._exit, SIGKILL: the claim is named, its worker replaced, retries are bounded",
    5: "out of memory: batches halve, same seeds and verdict, then an error; the next is fine",
    6: "illegal access or assert on a device: its process is replaced, nothing is retried in it",
    7: "NaN or infinity: an error, never a verdict",
    8: "a wrong type or shape: an error with a hint",
    9: "disk full, or a folder that cannot be written: said, exit code 4, the old report untouched",
    10: "a corrupted, truncated or foreign record: ignored with a warning, the claim runs again",
    11: "Ctrl-C or SIGTERM: a stop in seconds, records kept, --resume ends as if undisturbed",
    12: "two runs share a folder: the second exits with 2",
    13: "resume after a change of code, seed, profile or versions: what changed runs again",
    14: "no GPU: auto skips with a reason, an explicit device exits with 2 in one line",
    15: "TF32, emulated or flushed arithmetic: certified numbers refuse it, records tell it",
    16: "other workers, order, blocks or selection: the same records",
    17: "an unseeded claim: found out, an error",
    18: "a vacuous claim: inconclusive",
    19: "a toothless check: inconclusive",
    20: "hostile text: escaped and cut",
    21: "hostile ids and paths: refused",
    22: "a pickle among the artefacts: never loaded",
    23: "a clock that jumps, no git, no HOME: the run goes on",
    24: "a module that cannot be imported: its claims are errors, the rest runs",
    25: "a million instances: the record stays small",
}
NEEDS_A_DEVICE = {  # what no machine without CUDA can inject, and what stands for it there
    3: "a device that hangs: the hang is in Python and in a C call",
    5: "the allocator of CUDA: the address space of the process is limited instead",
    6: "a lost context: torch.cuda is made to say so",
    15: "products that are rounded to TF32 or emulated: the switches that ask for them are set",
}
REAL = "test_memory_faults.py::test_on_a_real_device"  # skipped where there is no CUDA device
TESTS = Path(__file__).parents[1]


def rows_of(path):
    """Rows that the tests of a file inject, from its syntax tree: nothing is imported."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    for row in mark.args:
                        yield ast.literal_eval(row), f"{path.name}::{node.name}"


INJECTED = [found for path in sorted(TESTS.rglob("test_*.py")) for found in rows_of(path)]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row}-{TABLE[row].split(':')[0]}")
def test_every_row_is_injected(row):
    assert [test for number, test in INJECTED if number == row], f"nothing injects {TABLE[row]!r}"


def test_what_stands_in_for_a_device_is_told_and_the_device_is_tried_where_there_is_one():
    assert set(NEEDS_A_DEVICE) <= set(TABLE)
    assert {row for row, test in INJECTED if test == REAL} == {5, 6}


def test_no_test_claims_a_row_that_is_not_there():
    assert {row for row, _ in INJECTED} == set(TABLE) == set(range(1, 26))
