"""``list`` and ``show``: the ledger, without torch and without a claim."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from pathlib import Path

from grokverify.cli._base import LATEST, OK, Command, Usage, items, nearest, read


def add(command: Command) -> None:
    """Register the commands."""
    listing = command("list", _list, "the ledger: numbered statements and their claims")
    listing.add_argument("--paper", help="only this paper, e.g. mohamadi2024")
    showing = command("show", _show, "one item of the ledger, and what became of its claims")
    showing.add_argument("id")
    showing.add_argument("--records", default=f"{LATEST}/records.jsonl", help="of an earlier run")


def _list(args: argparse.Namespace) -> int:
    for item in items(args.paper):
        told = ", ".join(name for name, _ in item.claims) or f"not checked: {item.unchecked}"
        print(f"{item.id:<44} {item.locator:<28} {told}")
    return OK


def _show(args: argparse.Namespace) -> int:
    from grokverify._text import card

    known = items()
    made = {r.claim: r for r in read(args.records)} if Path(args.records).is_file() else {}
    for item in known:
        if args.id == item.id or args.id in dict(item.claims):
            print(f"{item.id}  ({item.locator}; {item.origin}; {item.cost})\n{item.statement}")
            for name, ref in item.claims:
                print(f"  claim {name}\n    grokverify run {shlex.quote(ref)}")
                if name in made:
                    print(textwrap.indent(card(made[name]), "    "))
            if item.unchecked:
                print(f"  not checked: {item.unchecked}")
            return OK
    names = [i.id for i in known] + [name for i in known for name, _ in i.claims]
    raise Usage(f"no item or claim is called {args.id!r}.{nearest(args.id, names)}")
