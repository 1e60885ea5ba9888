"""What ``grokverify run`` does: many claims, one folder, nothing lost."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

import filelock

from grokverify import _isolate, executors, ledger, records
from grokverify._folder import Folder, module_of
from grokverify._lab import Lab
from grokverify._ongoing import Job
from grokverify._progress import Progress
from grokverify._run import find, perform, run
from grokverify._text import counts, durations, line, table
from grokverify._verdict import Record, Verdict
from grokverify._verify import failed, started
from grokverify.cli._base import DIFFERS, ERROR, OK, UNDECIDED, Usage, nearest

PARTS = 8  # blocks for each worker: the last cases of a list are the dearest, and cut finest
_COSTS = ("instant", "seconds", "minutes", "gpu")


def _is_id(word: str) -> bool:
    """Whether a word of the command line can only be an id."""
    return "/" in word and not word.endswith(".py") and ".py:" not in word


class _Terminated(BaseException):
    """SIGTERM, as an exception in the main thread."""


@dataclass
class Batch:
    """One run of the command line."""

    what: list[str]
    lab: Lab
    workers: int
    out: Path
    executor: str | None = None
    timeout: float | None = None
    isolate: bool = True
    resume: bool = False
    strict: bool = True  # refuse to replace records of claims outside the selection
    split: str = "auto"
    durations: int = 0
    ids: dict[str, str] = field(default_factory=dict)  # reference -> claim id
    costs: dict[str, str] = field(default_factory=dict)  # reference -> cost class of the ledger
    listed: list[str] = field(default_factory=list)  # all claims of the ledger, in its order
    done: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder = Folder(self.out)

    def go(self) -> int:
        if self.workers < 1:
            raise Usage(f"--workers {self.workers}: give at least 1.")
        start = time.perf_counter()
        refs = self._find()
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.out / ".lock", timeout=0)
            with lock:
                return self._locked(refs, start)
        except filelock.Timeout:
            raise Usage(
                f"another run is writing to {self.out}. Wait for it, or choose another --out."
            ) from None
        except BrokenPipeError:  # the run is over, and nobody reads its last lines
            raise
        except OSError as e:
            return self._cannot_write(e)

    def _locked(self, refs: list[str], start: float) -> int:
        finished = self._receive(refs)
        try:
            first = [*self.folder.kept, *self.done, *finished]
            records.write(self.folder.partial, first, closed=False)
        except OSError as e:
            return self._cannot_write(e)
        self.done += finished
        if finished:
            print(f"resuming: {len(finished)} of {len(refs)} records are still good")
        again = {r.ref for r in finished}
        previous = signal.signal(signal.SIGTERM, _terminate)
        todo = [ref for ref in refs if ref not in again]
        todo.sort(key=lambda ref: _COSTS.index(self.costs.get(ref, "seconds")))  # cheapest first
        try:
            with Progress(todo, self.workers, self._last_time()) as progress:
                for record in self._verify(todo):
                    record = self._as_listed(record)
                    self.done.append(record)
                    records.append(self.folder.partial, record)
                    told = f"[{len(self.done):>3}/{len(refs)}] {line(record, colour=_colour())}"
                    progress.finished(record.ref, record.seconds, told)
        except _Terminated:
            print(f"grokverify: terminated; {self._kept()}", file=sys.stderr)
            return 128 + signal.SIGTERM
        except KeyboardInterrupt:
            print(f"grokverify: interrupted; {self._kept()}", file=sys.stderr)
            return 128 + signal.SIGINT
        except OSError as e:
            why = f"the output folder {self.out} cannot be written ({e.strerror or e})"
            if isinstance(e, BrokenPipeError):
                why = "nobody reads the output any more"
            print(f"grokverify: {why}; {self._kept()}", file=sys.stderr)
            return ERROR
        finally:
            signal.signal(signal.SIGTERM, previous)
        return self._close(time.perf_counter() - start)

    def _as_listed(self, record: Record) -> Record:
        """A record under the id that the ledger gives its reference; else an error."""
        listed = self.ids.get(record.ref, record.claim)
        if record.claim == listed:
            return record
        why = f"the ledger calls {record.ref} {listed!r}, but its claim has the id {record.claim!r}"
        return failed(record.ref, self.lab, why, "", claim=listed)

    def _last_time(self) -> dict[str, float]:
        """Seconds that each claim took in the earlier run of this folder, for the progress line."""
        if not sys.stderr.isatty():
            return {}
        same = (r for r in self.folder.earlier if r.lab.get("profile") == self.lab.profile)
        return {r.ref: r.seconds for r in same}

    def _kept(self) -> str:
        return (
            f"{len(self.done)} finished records are in {self.folder.partial}. "
            "The same command with --resume goes on from there."
        )

    def _cannot_write(self, e: OSError) -> int:
        print(
            f"grokverify: the output folder {self.out} cannot be written ({e.strerror or e}). "
            "Choose another with --out; nothing was run.",
            file=sys.stderr,
        )
        return ERROR

    def _find(self) -> list[str]:
        """References of all claims; what cannot be found or imported becomes an error record."""
        try:
            items = ledger.read()
        except LookupError:
            if not self.what or any(map(_is_id, self.what)):
                raise
            items = []
        known = ledger.references(items)
        self.listed = [*known]
        self.costs = {ref: item.cost for item in items for _, ref in item.claims}
        self.ids = {ref: claim for claim, ref in known.items()}
        if not self.what:
            return list(known.values())  # the ledger's ids are unique: nothing to import here
        refs: dict[str, str] = {}  # claim id -> reference
        for place in self._places(items):
            try:
                found = find(place)
            except LookupError as e:
                raise Usage(str(e)) from None
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
        self.ids = {ref: claim for claim, ref in refs.items()}
        return list(refs.values())

    def _places(self, items: list[ledger.Item]) -> Iterator[str]:
        """Modules, files and references that the words of the command line stand for."""
        known = ledger.meanings(items)
        for word in self.what:
            if word in known and not known[word]:
                why = next((item.unchecked for item in items if item.id == word), "any of it.")
                raise Usage(f"{word} has no claim to run. Not checked: {why}")
            if _is_id(word) and word not in known:
                raise Usage(f"no claim, item or paper is called {word!r}.{nearest(word, [*known])}")
            yield from known.get(word, [word])

    def _receive(self, refs: list[str]) -> list[Record]:
        """Settle what becomes of the records of an earlier run; those that need no other run."""
        self.folder.read(tell=self.resume)
        selected = {*refs, *self.ids.values(), *self.what}
        # A module that was searched whole has no other claims than those found in it; one that
        # cannot be imported may have them still.
        broken = {r.ref for r in self.done} if self.resume else set()
        whole = {*self.what} - broken if self.what else {module_of(ref) for ref in refs}
        outside = [
            r
            for r in self.folder.earlier
            if not selected & {r.claim, r.ref} and module_of(r.ref) not in whole
        ]
        if self.resume:
            self.folder.keep(outside, self.lab)
            return self.folder.still_good(refs, self.lab)
        if self.strict and (why := self.folder.crowded(outside)):
            raise Usage(why)
        self.folder.put_aside(outside)
        return []

    def _verify(self, refs: list[str]) -> Iterator[Record]:
        if not refs:
            return
        task: Callable[[Job], str] = perform
        if self.isolate:
            task = partial(_isolate.perform_isolated, timeout=self.timeout)
        _isolate.reopen()
        pool = self._executor()
        parts = {ref: PARTS * self.workers for ref in refs if self._splits(ref)}
        try:
            yield from run(
                refs,
                [self.lab],
                pool,
                task=task,
                at_once=self.workers,
                parts=parts,
                ids=self.ids,
                groups={ref: f"{self.costs.get(ref)} {module_of(ref)}" for ref in refs},
                started=self._started,
            )
        finally:
            _isolate.close_all()
            pool.shutdown(wait=False, cancel_futures=True)

    def _splits(self, ref: str) -> bool:
        above = self.lab.pick(smoke=False, standard=True)  # quick: blocks repeat what checks share
        heavy = above and self.workers > 1 and self.costs.get(ref) in ("minutes", "gpu")
        return self.split == "always" or (self.split == "auto" and heavy)

    def _started(self, ref: str, lab: Lab) -> None:
        """Written ahead: if the run dies, its records name the claims that were under way."""
        records.append(self.folder.partial, started(ref, lab, claim=self.ids.get(ref, "")))

    def _executor(self) -> Executor:
        try:
            return executors.made(self.executor, self.workers, isolate=self.isolate)
        except ValueError as e:
            raise Usage(str(e)) from None

    def _close(self, seconds: float) -> int:
        from grokverify.report import render

        path, page = self.folder.records, self.out / "index.html"
        every = [*self.done, *self.folder.kept]
        listed = [*(self.listed if self.folder.kept else ()), *self.ids.values()]
        order = {claim: k for k, claim in enumerate(dict.fromkeys(listed))}
        every.sort(key=lambda r: (order.get(r.claim, len(order)), r.claim))
        try:
            records.write(path, every)
            records.write_text(page, render(every))
            self.folder.partial.unlink(missing_ok=True)
        except OSError as e:
            print(
                f"grokverify: {e}. Finished records are in {self.folder.partial}.", file=sys.stderr
            )
            return ERROR
        surprises = [r for r in self.done if not r.as_expected]
        if surprises:
            print("\nnot as expected:")
            print("\n".join(table(surprises, colour=_colour())))
        if self.durations:
            print("\n".join(["", *durations(self.done, self.durations)]))
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


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
