"""``audit``: a separate checker goes over finished records."""

from __future__ import annotations

import argparse

from grokverify.cli._base import LATEST, Command, Usage


def add(command: Command) -> None:
    """Register the command."""
    auditing = command("audit", _audit, "check records and their certificates by separate code")
    auditing.add_argument("records", nargs="?", default=f"{LATEST}/records.jsonl")


def _audit(args: argparse.Namespace) -> int:
    from grokverify.audit import main

    try:
        return main(args.records)
    except BrokenPipeError:  # a reader that left says nothing about the file
        raise
    except OSError as e:
        why = f"{args.records} cannot be read ({e.strerror}); run the claims first."
        raise Usage(why) from None
