"""``list`` and ``show``: the ledger, without torch and without a claim."""

from __future__ import annotations

import argparse
import shlex

from grokverify.cli._base import OK, Command, Usage, items, nearest


def add(command: Command) -> None:
    """Register the commands."""
    listing = command("list", _list, "the ledger: numbered statements and their claims")
    listing.add_argument("--paper", help="only this paper, e.g. mohamadi2024")
    command("show", _show, "one item of the ledger").add_argument("id")


def _list(args: argparse.Namespace) -> int:
    for item in items(args.paper):
        told = ", ".join(name for name, _ in item.claims) or f"not checked: {item.unchecked}"
        print(f"{item.id:<44} {item.locator:<28} {told}")
    return OK


def _show(args: argparse.Namespace) -> int:
    known = items()
    for item in known:
        if args.id == item.id or args.id in dict(item.claims):
            print(f"{item.id}  ({item.locator}; {item.origin}; {item.cost})\n{item.statement}")
            for name, ref in item.claims:
                print(f"  claim {name}\n    grokverify run {shlex.quote(ref)}")
            if item.unchecked:
                print(f"  not checked: {item.unchecked}")
            return OK
    names = [i.id for i in known] + [name for i in known for name, _ in i.claims]
    raise Usage(f"no item or claim is called {args.id!r}.{nearest(args.id, names)}")
