"""The command line: list, show, run, replay, report, diff, trust, doctor."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grokverify._text import safe

if TYPE_CHECKING:
    from grokverify._claim import Claim
    from grokverify._verdict import Record

OK, DIFFERS, USAGE, UNDECIDED, ERROR = 0, 1, 2, 3, 4
_LATEST = "reports/latest"


class Usage(Exception):
    """Something on the command line cannot be done; the message says what to do instead."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0: all as expected. 1: a verdict differs from the expected one. 2: usage. 3: undecided where a
    verdict was expected. 4: an error. Where several apply: 2, then 4, then 1, then 3.
    """
    args = _parser().parse_args(argv)
    try:
        return int(args.go(args))
    except Usage as e:
        print(f"grokverify: {e}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return OK
    except KeyboardInterrupt:
        print("grokverify: interrupted; finished records are kept.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grokverify", description=__doc__)
    sub = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, go: Any, text: str) -> argparse.ArgumentParser:
        made = sub.add_parser(name, help=text, description=text)
        made.set_defaults(go=go)
        return made

    listing = command("list", _list, "the ledger: numbered statements and their claims")
    listing.add_argument("--paper", help="only this paper, e.g. mohamadi2024")
    command("show", _show, "one item of the ledger").add_argument("id")

    running = command("run", _run, "verify claims; all of the ledger where none is named")
    running.add_argument("what", nargs="*", help="claim ids, module, module:name, or file.py")
    running.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    running.add_argument("--out", default=_LATEST, help="folder for records and report")
    running.add_argument("--timeout", type=float, help="seconds for one claim; none by default")
    running.add_argument("--resume", action="store_true", help="keep what is still good in --out")
    running.add_argument("--no-isolate", action="store_true", help="run in this very process")
    running.add_argument("--executor", metavar="MODULE:FACTORY", help="called with --workers")
    _effort(running)

    replaying = command("replay", _replay, "observe the witness of a record again")
    replaying.add_argument("what", help="records.jsonl, claim id, module:name or file.py:name")
    replaying.add_argument("id", nargs="?", help="the claim, where a records file is given")
    replaying.add_argument("--check", help="name of the check or control")
    replaying.add_argument("--case", help="the case as JSON")
    _effort(replaying)

    reporting = command("report", _report, "render a records file as one HTML page")
    reporting.add_argument("records", nargs="?", default=f"{_LATEST}/records.jsonl")
    reporting.add_argument("--out", help="the page; index.html beside the records by default")

    differing = command("diff", _diff, "what changed between two records files")
    differing.add_argument("a")
    differing.add_argument("b")

    trusting = command("trust", _trust, "what is proved, measured and trusted, as Markdown")
    trusting.add_argument("records", nargs="?", default=f"{_LATEST}/records.jsonl")

    _effort(command("doctor", _doctor, "device, dtypes, BLAS, flags and a self-test"))
    return parser


def _effort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    profiles = ("smoke", "quick", "standard", "paper")
    parser.add_argument("--profile", default="quick", choices=profiles)
    parser.add_argument("--seed", type=int, default=0)


def _list(args: argparse.Namespace) -> int:
    for item in _items(args.paper):
        told = ", ".join(name for name, _ in item.claims) or f"not checked: {item.unchecked}"
        print(f"{item.id:<44} {item.locator:<28} {told}")
    return OK


def _show(args: argparse.Namespace) -> int:
    items = _items(None)
    for item in items:
        if args.id == item.id or args.id in dict(item.claims):
            print(f"{item.id}  ({item.locator}; {item.origin}; {item.cost})\n{item.statement}")
            for name, ref in item.claims:
                print(f"  claim {name}\n    grokverify run {shlex.quote(ref)}")
            if item.unchecked:
                print(f"  not checked: {item.unchecked}")
            return OK
    names = [i.id for i in items] + [name for i in items for name, _ in i.claims]
    raise Usage(f"no item or claim is called {args.id!r}.{_nearest(args.id, names)}")


def _items(paper: str | None) -> list[Any]:
    from grokverify import ledger

    try:
        items = ledger.read()
    except (LookupError, ValueError) as e:
        raise Usage(str(e)) from None
    papers = sorted({i.paper for i in items})
    if paper and paper not in papers:
        raise Usage(f"no paper is called {paper!r}; the ledger has {', '.join(papers)}.")
    return [i for i in items if paper in (None, i.paper)]


def _run(args: argparse.Namespace) -> int:
    from grokverify._batch import Batch

    return Batch(
        what=args.what,
        lab=_lab(args),
        workers=args.workers,
        out=Path(args.out),
        executor=args.executor,
        timeout=args.timeout,
        isolate=not args.no_isolate,
        resume=args.resume,
    ).go()


def _lab(args: argparse.Namespace) -> Any:
    from grokverify._lab import Lab
    from grokverify._machine import resolve_device

    try:
        return Lab(device=resolve_device(args.device), profile=args.profile, seed=args.seed)
    except ValueError as e:
        raise Usage(f"--device: {e}") from None


def _replay(args: argparse.Namespace) -> int:
    from grokverify._evidence import Truth
    from grokverify._lab import Lab
    from grokverify._verify import replay

    if Path(args.what).is_file() and not args.what.endswith(".py"):
        record = _pick(args.what, args.id)
        outcome = next((o for o in (*record.checks, *record.controls) if o.witness), None)
        if outcome is None or outcome.witness is None:
            raise Usage(f"{safe(record.claim)} has no witness: nothing failed there.")
        ref, check, case = record.ref, outcome.check, outcome.witness
        lab = Lab(**{**record.lab, "device": _lab(args).device})
    else:
        if not args.check or args.case is None:
            raise Usage("replay of a claim needs --check NAME and --case JSON; see the report.")
        ref, check, lab = _reference(args.what), args.check, _lab(args)
        try:
            case = json.loads(args.case)
        except ValueError as e:
            raise Usage(f"--case is not JSON: {e}.") from None
    try:
        seen = replay(_claim(ref), lab, check, case)
    except LookupError as e:
        raise Usage(str(e)) from None
    print(f"{ref}, {check} at {json.dumps(case, default=str)}:")
    for comparison in seen:
        print(f"  {safe(str(comparison))}")
    return DIFFERS if any(c.truth is Truth.FAILS for c in seen) else OK


def _pick(path: str, claim: str | None) -> Record:
    records = _read(path)
    chosen = [r for r in records if r.claim == claim] if claim else records
    if len(chosen) != 1:
        names = [r.claim for r in records]
        raise Usage(f"name one claim of {path}: {', '.join(map(safe, names)) or 'it has none'}.")
    return chosen[0]


def _reference(what: str) -> str:
    from grokverify import ledger

    if ":" in what or what.endswith(".py"):
        return what
    known = ledger.references(_items(None))
    if what not in known:
        raise Usage(f"no claim is called {what!r}.{_nearest(what, list(known))}")
    return known[what]


def _claim(ref: str) -> Claim:
    from grokverify._run import find

    try:
        found = find(ref)
    except LookupError as e:
        raise Usage(str(e)) from None
    if len(found) != 1:
        raise Usage(f"{ref} holds several claims; name one: {', '.join(found)}.")
    return next(iter(found.values()))


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f" Did you mean {' or '.join(close)}?" if close else " See: grokverify list."


def _read(path: str) -> list[Record]:
    from grokverify import records

    try:
        found, problems = records.read(path)
    except OSError as e:
        raise Usage(f"{path} cannot be read ({e.strerror}); run the claims first.") from None
    for problem in problems:
        print(f"grokverify: {safe(problem)}", file=sys.stderr)
    return found


def _report(args: argparse.Namespace) -> int:
    from grokverify import records
    from grokverify.report import render

    page = Path(args.out) if args.out else Path(args.records).with_name("index.html")
    try:
        records.write_text(page, render(_read(args.records)))
    except OSError as e:
        print(f"grokverify: {page} was not written ({e}); the old page stands.", file=sys.stderr)
        return ERROR
    print(page)
    return OK


def _trust(args: argparse.Namespace) -> int:
    from grokverify.report import trust

    print(trust(_read(args.records)))
    return OK


def _diff(args: argparse.Namespace) -> int:
    from grokverify import records

    found = records.diff(_read(args.a), _read(args.b))
    for d in found:
        print(f"{'REGRESSION' if d.regression else 'change':<11} {safe(d.claim)}: {safe(d.what)}")
    if not found:
        print("no difference")
    return DIFFERS if any(d.regression for d in found) else OK


def _doctor(args: argparse.Namespace) -> int:
    from grokverify._doctor import examine

    healthy = True
    for fine, text in examine(_lab(args).device):
        print(f"{'ok  ' if fine else 'FAIL'} {text}")
        healthy = healthy and fine
    return OK if healthy else ERROR


def replay_line(record: Record) -> str:
    """The command that observes this record's witness again; empty where there is none."""
    for o in (*record.checks, *record.controls):
        if o.witness is not None and not o.must and record.ref:
            case = json.dumps(o.witness, default=str)
            words = ["grokverify", "replay", record.ref, "--check", o.check, "--case", case]
            words += ["--seed", str(record.lab["seed"]), "--profile", record.lab["profile"]]
            return shlex.join(words)
    return ""
