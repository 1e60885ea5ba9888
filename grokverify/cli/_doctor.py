"""``doctor``: device, versions, flags and self-tests."""

from __future__ import annotations

import argparse

from grokverify.cli._base import ERROR, OK, Command, effort, lab


def add(command: Command) -> None:
    """Register the command."""
    effort(command("doctor", _doctor, "device, dtypes, BLAS, flags and a self-test"))


def _doctor(args: argparse.Namespace) -> int:
    from grokverify._doctor import examine

    healthy = True
    for fine, text in examine(lab(args).device):
        print(f"{'ok  ' if fine else 'FAIL'} {text}")
        healthy = healthy and fine
    return OK if healthy else ERROR
