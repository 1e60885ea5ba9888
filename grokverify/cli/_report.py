"""``report``, ``diff``, ``trust`` and ``bench``: pages from finished files, without torch."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grokverify._text import safe
from grokverify.cli._base import DIFFERS, ERROR, LATEST, OK, Command, Usage, read

BENCH = "reports/bench"


def add(command: Command) -> None:
    """Register the commands."""
    reporting = command("report", _report, "render a records file as one HTML page")
    reporting.add_argument("records", nargs="?", default=f"{LATEST}/records.jsonl")
    reporting.add_argument("--out", help="the page; index.html beside the records by default")

    differing = command("diff", _diff, "what changed between two records files")
    differing.add_argument("a")
    differing.add_argument("b")
    differing.add_argument("--html", metavar="FILE", help="write it as a page as well")

    trusting = command("trust", _trust, "what is proved, measured and trusted, as Markdown")
    trusting.add_argument("records", nargs="?", default=f"{LATEST}/records.jsonl")

    timing = command("bench", _bench, "a page from the JSON of pytest-benchmark")
    timing.add_argument("json", nargs="?", default=f"{BENCH}/bench.json")
    timing.add_argument("--out", default=BENCH, help="folder for index.html and summary.json")


def _report(args: argparse.Namespace) -> int:
    from grokverify import records
    from grokverify.report import render

    page = Path(args.out) if args.out else Path(args.records).with_name("index.html")
    try:
        records.write_text(page, render(read(args.records)))
    except OSError as e:
        print(f"grokverify: {page} was not written ({e}); the old page stands.", file=sys.stderr)
        return ERROR
    print(page)
    return OK


def _diff(args: argparse.Namespace) -> int:
    from grokverify import records
    from grokverify.report import difference

    old, new = read(args.a), read(args.b)
    found = records.diff(old, new)
    if args.html:
        records.write_text(args.html, difference(old, new))
    for d in found:
        word = "REGRESSION" if d.regression else "change"
        print(f"{word:<11} {safe(d.claim)}: {safe(d.what)}")
    if not found:
        print("no difference")
    return DIFFERS if any(d.regression for d in found) else OK


def _trust(args: argparse.Namespace) -> int:
    from grokverify.report import trust

    print(trust(read(args.records)))
    return OK


def _bench(args: argparse.Namespace) -> int:
    from grokverify import records
    from grokverify.report import timings

    try:
        body = json.loads(Path(args.json).read_text(encoding="utf-8"))
        page, summary = timings(body)
    except OSError as e:
        raise Usage(f"{args.json} cannot be read ({e.strerror}); run make bench first.") from None
    except ValueError as e:
        raise Usage(f"{args.json}: {e}") from None
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    records.write_text(out / "summary.json", json.dumps(summary, indent=1, sort_keys=True) + "\n")
    records.write_text(out / "index.html", page)
    print(out / "index.html")
    return OK
