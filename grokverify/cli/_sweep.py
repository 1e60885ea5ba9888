"""``sweep``: the checks of one claim over a grid of sizes and many seeds."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from grokverify._text import safe
from grokverify.cli._base import (
    ERROR,
    OK,
    PATIENCE,
    Command,
    Usage,
    claim,
    effort,
    lab,
    patience,
)
from grokverify.cli._replay import reference

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from grokverify._grid import Block, Cost, Done


def add(command: Command) -> None:
    """Register the command."""
    sweeping = command("sweep", _sweep, "one claim over a grid of sizes and many seeds")
    sweeping.add_argument("what", help="claim id, module:name or file.py:name")
    sweeping.add_argument("--grid", nargs="*", default=[], metavar="NAME=VALUES", help="p=23,47,97")
    sweeping.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    sweeping.add_argument("--block", type=int, default=8, help="seeds in one block at most")
    sweeping.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    sweeping.add_argument("--executor", metavar="MODULE:FACTORY", help="called with --workers")
    sweeping.add_argument("--timeout", type=float, help=f"seconds for one block; {PATIENCE}")
    sweeping.add_argument("--no-isolate", action="store_true", help="run in this very process")
    sweeping.add_argument("--out", default="reports/sweep", help="folder for the table")
    effort(sweeping)


def _sweep(args: argparse.Namespace) -> int:
    from grokverify import _grid, _isolate
    from grokverify._measure import fitting
    from grokverify._run import perform

    for name in ("seeds", "block", "workers"):
        if getattr(args, name) < 1:
            raise Usage(f"--{name} {getattr(args, name)}: give at least 1.")
    ref, place = reference(args.what), lab(args)
    one = claim(ref)
    try:
        grid = _grid.parse(args.grid)
        fit, others = fitting(one, grid)
    except (LookupError, ValueError) as e:
        raise Usage(f"--grid: {e}") from None
    for name, needed in others.items():
        print(f"left out: {safe(name)}, whose case is {', '.join(needed) or 'nothing'}")
    todo = _grid.blocks(fit, grid, range(args.seed, args.seed + args.seeds), args.block)
    task = (
        perform if args.no_isolate else partial(_isolate.perform_isolated, timeout=patience(args))
    )
    since = time.perf_counter()
    with _pool(args) as pool:
        some = _grid.spread(todo, ref, place, pool, task=task, at_once=args.workers)
        found: dict[Block, Done] = {}
        try:
            for done in some:
                found[done[0]] = done
        except KeyboardInterrupt:
            print(f"interrupted: {len(found)} of {len(todo)} blocks are in the table")
            args.interrupted = True
    return _close(args, [found[b] for b in todo if b in found], time.perf_counter() - since)


@contextmanager
def _pool(args: argparse.Namespace) -> Iterator[Executor]:
    from grokverify import _isolate, executors

    _isolate.reopen()
    try:
        pool = executors.made(args.executor, args.workers, isolate=not args.no_isolate)
    except ValueError as e:
        raise Usage(str(e)) from None
    try:
        yield pool
    finally:
        _isolate.close_all()
        pool.shutdown(wait=False, cancel_futures=True)


def _close(args: argparse.Namespace, done: list[Done], seconds: float) -> int:
    from grokverify import _grid, records

    found, costs = _grid.lines(done), _grid.costs(done)
    out = Path(args.out)
    rows = "".join(json.dumps(line, sort_keys=True, allow_nan=False) + "\n" for line in found)
    records.write_text(out / "measurements.jsonl", rows)
    records.write_text(out / "measurements.csv", _grid.table(found))
    told = {"workers": args.workers, "seconds": seconds, "costs": [asdict(c) for c in costs]}
    records.write_text(out / "costs.json", json.dumps(told, indent=1) + "\n")
    print("\n".join(_told(costs)))
    wrong = [line for line in found if "error" in line]
    for line in wrong[:5]:
        print(f"error: {safe(line['check'])} at {line['case']}, seed {line['seed']}: ", end="")
        print(safe(line["error"], 300))
    fails = sum(line.get("truth") == "fails" for line in found)
    print(f"{len(found)} lines, {fails} failing comparisons, {len(wrong)} errors; {seconds:.1f} s")
    print(out / "measurements.jsonl")
    if getattr(args, "interrupted", False):
        return 130
    return ERROR if wrong else OK


def _told(costs: list[Cost]) -> Iterator[str]:
    yield f"{'blocks':>6} {'seeds':>6} {'s/seed':>9} {'s/block':>9} {'ms around':>9}  case"
    for c in costs:
        case = ", ".join(f"{k}={v}" for k, v in c.case.items()) or "the only case"
        numbers = f"{c.instance:9.3g} {c.block:9.3g} {1000 * c.around:9.3g}"
        yield f"{c.blocks:>6} {c.seeds:>6} {numbers}  {safe(c.check)} at {safe(case)}"
