"""What ``grokverify run`` does: many claims, one folder, nothing lost."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from grokverify import ledger, records
from grokverify._lab import Lab
from grokverify._run import find, lost, run
from grokverify._text import counts, line, table
from grokverify._verdict import Record, Verdict
from grokverify._verify import failed
from grokverify.cli import DIFFERS, ERROR, OK, UNDECIDED, Usage, _nearest


class Serial(Executor):
    """Runs each task at once in this process."""

    def submit(self, fn: Callable[..., object], /, *args: object, **kwargs: object) -> Future:  # type: ignore[type-arg]
        done: Future[object] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as e:
            done.set_exception(e)
        return done


@dataclass
class Batch:
    """One run of the command line."""

    what: list[str]
    lab: Lab
    workers: int
    out: Path
    executor: str | None = None
    done: list[Record] = field(default_factory=list)

    def go(self) -> int:
        if self.workers < 1:
            raise Usage(f"--workers {self.workers}: give at least 1.")
        start = time.perf_counter()
        refs = self._find()
        partial = self._open()
        if partial is None:
            return ERROR
        total = len(refs) + len(self.done)
        for record in self.done:
            records.append(partial, record)
        for record in self._verify(refs):
            self.done.append(record)
            records.append(partial, record)
            self._tell(record, total)
        order = {ref: k for k, ref in enumerate(refs)}
        self.done.sort(key=lambda r: (order.get(r.ref, len(order)), r.claim))
        return self._close(partial, time.perf_counter() - start)

    def _find(self) -> list[str]:
        """References of all claims; what cannot be found or imported becomes an error record."""
        known = ledger.references(ledger.read()) if not self.what or self._ids() else {}
        refs: dict[str, str] = {}  # claim id -> reference
        for place in self.what or list(known.values()):
            if place in known:
                place = known[place]
            try:
                found = find(place)
            except LookupError as e:
                if self.what:
                    raise Usage(f"{e}{_nearest(place, list(known)) if known else ''}") from None
                self.done.append(failed(place, self.lab, str(e), ""))
                continue
            except Exception as e:
                why = f"{type(e).__name__}: {e}. The module could not be imported; mend it."
                self.done.append(failed(place, self.lab, why, traceback.format_exc(limit=-3)))
                continue
            for ref, claim in found.items():
                if refs.setdefault(claim.id, ref) != ref:
                    why = (
                        f"the claim id {claim.id!r} is already used by {refs[claim.id]}. Ids name "
                        "records and random streams: give each claim its own."
                    )
                    self.done.append(failed(ref, self.lab, why, ""))
        return list(refs.values())

    def _ids(self) -> bool:
        """Whether some argument can only be a claim id."""
        return any("/" in w and not w.endswith(".py") and ".py:" not in w for w in self.what)

    def _open(self) -> Path | None:
        partial = self.out / "records.partial.jsonl"
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            partial.write_text("")
        except OSError as e:
            print(
                f"grokverify: the output folder {self.out} cannot be written ({e.strerror}). "
                "Choose another with --out; nothing was run.",
                file=sys.stderr,
            )
            return None
        return partial

    def _verify(self, refs: list[str]) -> Iterator[Record]:
        if not refs:
            return
        broken = []
        with self._executor(self.workers) as pool:
            for record in run(refs, [self.lab], pool):
                if lost(record):
                    broken.append(record.ref)  # itself, or the victim of another one's crash
                else:
                    yield record
        for ref in broken:
            with self._executor(1, spawn=True) as pool:
                yield from run([ref], [self.lab], pool)

    def _executor(self, workers: int, *, spawn: bool = False) -> Executor:
        if self.executor:
            module, _, name = self.executor.partition(":")
            try:
                made = getattr(importlib.import_module(module), name)(workers)
            except (ImportError, AttributeError, ValueError, TypeError) as e:
                raise Usage(
                    f"--executor {self.executor}: {e}. Give MODULE:FACTORY, where "
                    "FACTORY(workers) returns a concurrent.futures.Executor."
                ) from None
            if not isinstance(made, Executor):
                raise Usage(f"--executor {self.executor} made a {type(made).__name__}.")
            return made
        if workers == 1 and not spawn:
            return Serial()
        # Several processes on shared cores: one thread each. CUDA does not survive a fork.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, mp_context=context)

    def _tell(self, record: Record, total: int) -> None:
        print(f"[{len(self.done):>3}/{total}] {line(record, colour=_colour())}", flush=True)

    def _close(self, partial: Path, seconds: float) -> int:
        from grokverify.report import render

        path, page = self.out / "records.jsonl", self.out / "index.html"
        try:
            records.write(path, self.done)
            records.write_text(page, render(self.done))
            partial.unlink(missing_ok=True)
        except OSError as e:
            print(f"grokverify: {e}. Finished records are in {partial}.", file=sys.stderr)
            return ERROR
        surprises = [r for r in self.done if not r.as_expected]
        if surprises:
            print("\nnot as expected:")
            print("\n".join(table(surprises, colour=_colour())))
        print(f"\n{counts(self.done)}; {seconds:.1f} s\nrecords: {path}\nreport:  {page}")
        return exit_code(self.done)


def exit_code(done: list[Record]) -> int:
    """4 for an error, then 1 for a differing verdict, then 3 for an undecided one, then 0."""
    surprises = {r.verdict for r in done if not r.as_expected}
    if Verdict.ERROR in surprises:
        return ERROR
    if surprises & {Verdict.VERIFIED, Verdict.REFUTED}:
        return DIFFERS
    return UNDECIDED if surprises else OK


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
