"""``run``: verify claims."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from grokverify.cli._base import LATEST, PATIENCE, Command, effort, lab, patience


def add(command: Command) -> None:
    """Register the command."""
    running = command("run", _run, "verify claims; all of the ledger where none is named")
    running.add_argument(
        "what", nargs="*", help="claims, items or papers by id, module, module:name, or file.py"
    )
    running.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    running.add_argument("--out", help=f"folder for records and report; {LATEST}")
    running.add_argument("--timeout", type=float, help=f"seconds for one claim; {PATIENCE}")
    running.add_argument("--resume", action="store_true", help="keep what is still good in --out")
    running.add_argument("--no-isolate", action="store_true", help="run in this very process")
    running.add_argument("--executor", metavar="MODULE:FACTORY", help="called with --workers")
    running.add_argument(
        "--split",
        choices=("auto", "always", "never"),
        default="auto",
        help="cut claims into blocks of cases for several workers; auto: long ones above quick",
    )
    running.add_argument("--durations", type=int, default=0, metavar="N", help="show the N slowest")
    effort(running)


def _run(args: argparse.Namespace) -> int:
    from grokverify._batch import Batch

    return Batch(
        what=args.what,
        lab=lab(args),
        workers=args.workers,
        out=Path(args.out or LATEST),
        executor=args.executor,
        timeout=patience(args),
        isolate=not args.no_isolate,
        resume=args.resume,
        strict=args.out is not None,
        split=args.split,
        durations=args.durations,
    ).go()
