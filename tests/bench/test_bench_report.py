"""Time of the page: a record must cost as much in a run of 300 claims as in one of 30."""

from dataclasses import replace
from pathlib import Path

import pytest

from grokverify import records
from grokverify.report import render

REFERENCE = Path(__file__).parents[2] / "reports/reference/records.jsonl"


@pytest.mark.parametrize("count", [30, 300])
def test_render(benchmark, count):
    found = records.read(REFERENCE)[0]
    many = [replace(found[k % len(found)], claim=f"copy/{k}") for k in range(count)]
    page = benchmark.pedantic(render, args=(many,), rounds=3, warmup_rounds=1)
    assert len(page.encode()) < 10_000_000
