"""``summary``, ``badge``, ``export`` and ``schema``: records for machines, without torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from grokverify.cli._base import LATEST, OK, Command, read


def add(command: Command) -> None:
    """Register the commands."""
    for name, go, text in (
        ("summary", _summary, "counts, surprises and errata as Markdown, for a CI step summary"),
        ("export", _export, "every constant of every check as a table"),
        ("badge", _badge, "the counts as a static SVG picture"),
    ):
        made = command(name, go, text)
        made.add_argument("records", nargs="?", default=f"{LATEST}/records.jsonl")
        if name == "export":
            made.add_argument("--csv", action="store_true", help="comma-separated (the default)")
        if name == "badge":
            made.add_argument("--json", action="store_true", help="for a shields.io endpoint")
        made.add_argument("--out", help="write to this file instead of the terminal")
    command("schema", _schema, "the JSON schema of one line of records.jsonl")


def _write(args: argparse.Namespace, text: str) -> int:
    from grokverify import records

    if args.out:
        records.write_text(Path(args.out), text)
    else:
        print(text, end="")
    return OK


def _summary(args: argparse.Namespace) -> int:
    from grokverify.report import summary

    return _write(args, summary(read(args.records)))


def _export(args: argparse.Namespace) -> int:
    from grokverify.report import table

    return _write(args, table(read(args.records)))


def _badge(args: argparse.Namespace) -> int:
    from grokverify.report import badge, endpoint

    found = read(args.records)
    return _write(args, json.dumps(endpoint(found)) + "\n" if args.json else badge(found))


def _schema(args: argparse.Namespace) -> int:
    from grokverify import records

    print(json.dumps(records.schema(), indent=1))
    return OK
