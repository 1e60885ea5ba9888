"""What the commands share: exit codes, usage errors, the options of effort, and reading files."""

from __future__ import annotations

import argparse
import difflib
import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from grokverify._text import safe

if TYPE_CHECKING:
    from grokverify._claim import Claim
    from grokverify._lab import Lab
    from grokverify._verdict import Record
    from grokverify.ledger import Item

OK, DIFFERS, USAGE, UNDECIDED, ERROR = 0, 1, 2, 3, 4
LATEST = "reports/latest"
PATIENCE = "0 for no end (default: an hour at quick, six at standard, none at paper)"

Command = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]
"""Adds one command: its name, what it does with the arguments, and its help text."""


class Usage(Exception):
    """Something on the command line cannot be done; the message says what to do instead."""


def effort(parser: argparse.ArgumentParser) -> None:
    """The options that say where and how hard."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    profiles = ("smoke", "quick", "standard", "paper")
    parser.add_argument("--profile", default="quick", choices=profiles)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--memory", metavar="SIZE", help="to plan with, as 2GB (default on the CPU) or 500MB"
    )


def lab(args: argparse.Namespace) -> Lab:
    """The lab that ``effort`` describes."""
    from grokverify._lab import Lab
    from grokverify._machine import resolve_device

    memory = None if args.memory is None else in_bytes(args.memory)
    try:
        device = resolve_device(args.device)
    except ValueError as e:
        raise Usage(f"--device: {e}") from None
    return Lab(device=device, profile=args.profile, seed=args.seed, memory=memory)


def patience(args: argparse.Namespace) -> float | None:
    """Seconds for a claim or block: by default a hundred times what the dearest one takes."""
    if args.timeout is None:
        return {"smoke": 1800.0, "quick": 3600.0, "standard": 21600.0}.get(args.profile)
    if not 0 <= args.timeout < math.inf:
        raise Usage(f"--timeout {args.timeout:g}: give seconds, or 0 for no end.")
    return float(args.timeout) or None


def in_bytes(text: str) -> int:
    """Bytes of a size such as 2GB, 500 MB or 1.5e9; units are powers of a thousand."""
    found = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)\s*([kmgt]?)b?", text.strip().lower())
    try:
        size = int(float(found[1]) * 1000 ** " kmgt".index(found[2] or " ")) if found else 0
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise Usage(f"a memory of {text}: give bytes, such as 2GB, 500MB or 1.5e9.")
    return size


def items(paper: str | None = None) -> list[Item]:
    """The ledger, or its part about one paper."""
    from grokverify import ledger

    try:
        found = ledger.read()
    except (LookupError, ValueError) as e:
        raise Usage(str(e)) from None
    papers = sorted({i.paper for i in found})
    if paper and paper not in papers:
        raise Usage(f"no paper is called {paper!r}; the ledger has {', '.join(papers)}.")
    return [i for i in found if paper in (None, i.paper)]


def nearest(name: str, known: list[str]) -> str:
    """A sentence that suggests what was meant."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f" Did you mean {' or '.join(close)}?" if close else " See: grokverify list."


def claim(ref: str) -> Claim:
    """The one claim that a reference names."""
    from grokverify._run import find

    try:
        found = find(ref)
    except LookupError as e:
        raise Usage(str(e)) from None
    if len(found) != 1:
        raise Usage(f"{ref} holds several claims; name one: {', '.join(found)}.")
    return next(iter(found.values()))


def read(path: str) -> list[Record]:
    """The records of a file; what is wrong with it goes to stderr."""
    from grokverify import records

    try:
        found, problems = records.read(path)
    except OSError as e:
        raise Usage(f"{path} cannot be read ({e.strerror}); run the claims first.") from None
    for problem in problems:
        print(f"grokverify: {safe(problem)}", file=sys.stderr)
    return found


def pick(path: str, name: str | None) -> Record:
    """The record of one claim in a file."""
    records = read(path)
    chosen = [r for r in records if r.claim == name] if name else records
    if len(chosen) != 1:
        names = [r.claim for r in records]
        raise Usage(f"name one claim of {path}: {', '.join(map(safe, names)) or 'it has none'}.")
    return chosen[0]
