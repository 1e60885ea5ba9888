"""Kill a random worker now and then during a run; its records must be those of a run in peace.

``make kills`` does so with every claim at quick, a kill a minute, under both engines: three full
runs, on a quiet machine. The run in peace is kept in the folder and not repeated by a second call.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from alike import same

from grokverify import records

ENGINES = ("local", "dask_processes")


def workers_of(pid):
    """The processes below this one that work for it: children that verify, and dask's workers."""
    parents, words = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (place / "stat").read_text().rpartition(")")[2].split()[:2]
            told = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if state != "Z":
            parents[int(place.name)], words[int(place.name)] = int(parent), told
    below = {pid}
    while more := {p for p, parent in parents.items() if parent in below} - below:
        below |= more
    kinds = ("grokverify._child", "spawn_main")
    return [p for p in below - {pid} if any(kind in words[p] for kind in kinds)]


def disturbed(command, output, seconds):
    """Run a command, and kill a random worker every few seconds, once there is a new record.

    Without the second condition a loaded machine could not start a worker between two kills.

    Returns:
        its exit code and the number of kills.
    """
    chance, kills = random.Random(0), 0
    with open(output, "w") as told:
        run = subprocess.Popen(command, stdout=told, stderr=told)
        try:
            following, size = time.monotonic() + seconds, 0
            while run.poll() is None:
                time.sleep(0.1)
                grown = output.stat().st_size > size
                if grown and time.monotonic() > following and (found := workers_of(run.pid)):
                    os.kill(chance.choice(sorted(found)), signal.SIGKILL)
                    kills, following = kills + 1, time.monotonic() + seconds
                    size = output.stat().st_size
        finally:
            run.terminate()
    return run.returncode, kills


def differences(peaceful, other):
    """In words, how two record files differ in more than time."""
    one, two = ({r.claim: r for r in _read(path)} for path in (peaceful, other))
    found = [f"{d.claim}: {d.what}" for d in records.diff(one.values(), two.values())]
    for claim in sorted(set(one) & set(two)):  # witnesses, tallies and certificates as well
        try:
            same(*(json.loads(records.to_json(r[claim])) for r in (one, two)), claim)
        except AssertionError as e:
            found.append(str(e)[:300])
    return found


def _read(path):
    found, problems = records.read(path)
    assert not problems, problems
    return found


def main(argv=None):
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("what", nargs="*", help="claims; all of the ledger where none is named")
    told.add_argument("--every", type=float, default=60.0, help="seconds between two kills")
    told.add_argument("--workers", default="2")
    told.add_argument("--profile", default="quick")
    told.add_argument("--split", default="auto")
    told.add_argument("--out", type=Path, default=Path("reports/kills"))
    told.add_argument("--engine", action="append", choices=ENGINES, help="both by default")
    asked = told.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)

    def run(name, seconds, *more):
        words = ["run", *asked.what, "--workers", asked.workers, "--profile", asked.profile]
        words += ["--split", asked.split, "--device", "cpu", "--out", str(asked.out / name), *more]
        command = [sys.executable, "-m", "grokverify", *words]
        return disturbed(command, asked.out / f"{name}.txt", seconds)

    peace, _ = run("peace", float("inf"), "--resume")
    wrong = []
    for engine in asked.engine or ENGINES:
        code, kills = run(engine, asked.every, "--executor", f"grokverify.executors:{engine}")
        files = [asked.out / name / "records.jsonl" for name in ("peace", engine)]
        found = differences(*files) if all(f.is_file() for f in files) else ["no records"]
        found += [f"exit code {code}, in peace {peace}"] if code != peace else []
        found += [] if kills else ["the run was over before anything was killed"]
        print(f"{engine}: {kills} workers killed, {len(found)} differences", *found, sep="\n  ")
        wrong += found
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
