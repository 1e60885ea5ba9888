"""The folder of a run: what an earlier run left there, and what becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grokverify import records
from grokverify._lab import Lab
from grokverify._machine import describe
from grokverify._run import find
from grokverify._text import safe
from grokverify._verdict import Record, Verdict
from grokverify._verify import STARTED, source_hash

_NAMED = 3  # claims that a message names, of those it counts


@dataclass
class Folder:
    """A folder with the records of earlier runs, finished or not.

    Attributes:
        earlier: the last finished record of each claim, of the finished run and of one cut short.
        kept: those of claims outside this run's selection that stay in the records.
    """

    path: Path
    earlier: list[Record] = field(default_factory=list)
    kept: list[Record] = field(default_factory=list)

    @property
    def records(self) -> Path:
        return self.path / "records.jsonl"

    @property
    def partial(self) -> Path:
        """The records of a run that is not over."""
        return self.path / "records.partial.jsonl"

    @property
    def aside(self) -> Path:
        """The last record of each claim that a run of other claims pushed out of the records."""
        return self.path / "records.aside.jsonl"

    def read(self, tell: bool) -> None:
        """Find the earlier records; say what was damaged and what was under way, if asked to."""
        found: dict[str, Record] = {}
        for path in (self.records, self.partial):
            if path.is_file():
                read, problems = records.read(path)
                found |= {r.claim: r for r in read if r.reason != STARTED}
                for problem in problems if tell else ():
                    print(f"grokverify: {safe(problem)}", file=sys.stderr)
                for r in read if tell else ():
                    if r.reason == STARTED:
                        print(f"under way when the last run ended: {safe(r.claim, 90)}")
        self.earlier = list(found.values())

    def still_good(self, refs: Sequence[str], lab: Lab) -> list[Record]:
        """The earlier records that a run of these references would only repeat."""
        found = {r.ref: r for r in self.earlier}
        return [found[ref] for ref in refs if ref in found and _still_good(found[ref], lab)]

    def keep(self, outside: list[Record], lab: Lab) -> None:
        """Keep the records of other claims among those of this run, and say so."""
        self.kept = outside
        if outside:
            here = describe(lab.device)
            old = sum(not _same_place(r, lab, here) for r in outside)
            told = f"; {old} of them by another seed, profile, device or version" if old else ""
            print(f"keeping {_count(outside)} outside this selection{told}")

    def put_aside(self, outside: list[Record]) -> None:
        """Move the records of other claims into a file of their own, and say so.

        Raises:
            OSError: the folder cannot be written.
        """
        if outside:
            before = records.read(self.aside)[0] if self.aside.is_file() else []
            merged = {r.claim: r for r in (*before, *outside)}
            records.write(self.aside, merged.values())
            print(f"{_count(outside)} outside this selection moved to {self.aside}")

    def crowded(self, outside: list[Record]) -> str:
        """Why a run that keeps nothing may not write here; empty if it may."""
        if not outside:
            return ""
        return (
            f"{self.path} holds {_count(outside)} outside this selection, which a run without "
            "--resume would lose. Add --resume to keep them, or choose another --out; to start "
            f"afresh, remove {self.records} and {self.partial.name}."
        )


def module_of(ref: str) -> str:
    """The module or file of a reference."""
    return ref.rpartition(":")[0]


def _still_good(record: Record, lab: Lab) -> bool:
    try:
        ((_, claim),) = find(record.ref).items()
    except Exception:
        return False
    return (
        record.verdict is not Verdict.ERROR
        and record.claim == claim.id
        and record.source_sha256 == source_hash(claim)
        and _same_place(record, lab, describe(lab.device))
    )


def _same_place(record: Record, lab: Lab, here: Mapping[str, Any]) -> bool:
    """Whether a record was made by this lab, apart from how much memory it plans with."""
    device = str(record.lab["device"])
    if device.split(":")[0] == lab.device.split(":")[0]:
        device = lab.device  # one of several of a kind
    wanted = {**record.lab, "device": device, "path": lab.path, "memory": lab.memory}
    same = all(record.machine.get(k) == here[k] for k in ("library", "torch", "python"))
    return Lab(**wanted) == lab and same


def _count(found: Sequence[Record]) -> str:
    names = ", ".join(safe(r.claim, 60) for r in found[:_NAMED])
    more = ", ..." if len(found) > _NAMED else ""
    return f"{len(found)} record{'s' * (len(found) > 1)} of claims ({names}{more})"
