"""The command line: one module for each family of commands, which ``main`` puts together."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from grokverify.cli import _audit, _doctor, _export, _ledger, _new, _replay, _report, _run, _sweep
from grokverify.cli._base import ERROR, USAGE, Usage
from grokverify.cli._replay import replay_line as replay_line

_FAMILIES = (_ledger, _new, _run, _sweep, _replay, _report, _audit, _export, _doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0: all as expected. 1: a verdict differs from the expected one. 2: usage. 3: undecided where a
    verdict was expected. 4: an error. Where several apply: 2, then 4, then 1, then 3.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no run may end on a sign that it cannot show
            stream.reconfigure(errors="replace")
    args = _parser().parse_args(argv)
    try:
        return int(args.go(args))
    except Usage as e:
        print(f"grokverify: {e}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return ERROR  # what was not read is not known to be in order
    except KeyboardInterrupt:
        print("grokverify: interrupted; finished records are kept.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grokverify", description="Continuous integration for theory: verify claims of papers."
    )
    sub = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, go: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        made = sub.add_parser(name, help=text, description=text)
        made.set_defaults(go=go)
        return made

    for family in _FAMILIES:
        family.add(command)
    return parser
