"""``replay``: observe a recorded witness again."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from grokverify._text import safe
from grokverify.cli._base import (
    DIFFERS,
    OK,
    Command,
    Usage,
    claim,
    effort,
    items,
    lab,
    nearest,
    pick,
)

if TYPE_CHECKING:
    from grokverify._verdict import Record


def add(command: Command) -> None:
    """Register the command."""
    replaying = command("replay", _replay, "observe the witness of a record again")
    replaying.add_argument("what", help="records.jsonl, claim id, module:name or file.py:name")
    replaying.add_argument("id", nargs="?", help="the claim, where a records file is given")
    replaying.add_argument("--check", help="name of the check or control")
    replaying.add_argument("--case", help="the case as JSON")
    effort(replaying)


def _replay(args: argparse.Namespace) -> int:
    from grokverify._evidence import Truth
    from grokverify._lab import Lab
    from grokverify._verify import replay

    if Path(args.what).is_file() and not args.what.endswith(".py"):
        record = pick(args.what, args.id)
        outcome = next((o for o in (*record.checks, *record.controls) if o.witness), None)
        if outcome is None or outcome.witness is None:
            raise Usage(f"{safe(record.claim)} has no witness: nothing failed there.")
        ref, check, case = record.ref, outcome.check, outcome.witness
        here = lab(args)  # where, and with how much memory: no number depends on them
        place = Lab(**{**record.lab, "device": here.device, "memory": here.memory})
    else:
        if not args.check or args.case is None:
            raise Usage("replay of a claim needs --check NAME and --case JSON; see the report.")
        ref, check, place = reference(args.what), args.check, lab(args)
        try:
            case = json.loads(args.case)
        except ValueError as e:
            raise Usage(f"--case is not JSON: {e}.") from None
    try:
        seen = replay(claim(ref), place, check, case)
    except LookupError as e:
        raise Usage(str(e)) from None
    print(f"{ref}, {check} at {json.dumps(case, default=str)}:")
    for comparison in seen:
        print(f"  {safe(str(comparison))}")
    return DIFFERS if any(c.truth is Truth.FAILS for c in seen) else OK


def reference(what: str) -> str:
    """What ``find`` understands, of a claim id or of itself."""
    from grokverify import ledger

    if ":" in what or what.endswith(".py"):
        return what
    known = ledger.references(items())
    if what not in known:
        raise Usage(f"no claim is called {what!r}.{nearest(what, list(known))}")
    return known[what]


def replay_line(record: Record) -> str:
    """The command that observes this record's witness again; empty where there is none."""
    for o in (*record.checks, *record.controls):
        if o.witness is not None and not o.must and record.ref:
            case = json.dumps(o.witness, default=str)
            words = ["grokverify", "replay", record.ref, "--check", o.check, "--case", case]
            words += ["--seed", str(record.lab["seed"]), "--profile", record.lab["profile"]]
            return shlex.join(words)
    return ""
