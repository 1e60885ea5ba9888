"""One seed, four ways to run: the records agree in all but time and the last bits of floats."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alike import same

ROOT = Path(__file__).parents[2]
CLI = ("-m", "grokverify", "run", "--profile", "smoke", "--out")
PYTEST = ("-m", "pytest", "-q", "-m", "theorem", "theorems", "--theorem-profile", "smoke")
WAYS = {
    "one-worker": (*CLI, "{out}", "--workers", "1"),
    "two-workers": (*CLI, "{out}", "--workers", "2"),
    "pytest": (*PYTEST, "--theorem-records", "{out}/records.jsonl"),
    "xdist": (*PYTEST, "-n", "2", "--theorem-records", "{out}/records.jsonl"),
}


@pytest.mark.slow
def test_the_records_are_the_same_everywhere(tmp_path):
    runs = {}
    for name, words in WAYS.items():
        out = tmp_path / name
        command = [sys.executable, *(word.format(out=out) for word in words)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        *lines, _ = (out / "records.jsonl").read_text().splitlines()
        runs[name] = {(body := json.loads(line))["claim"]: body for line in lines}
    first = runs["one-worker"]
    for name, others in runs.items():
        assert set(others) == set(first), name
        for claim, body in others.items():
            same(first[claim], body, f"{name}: {claim}")
