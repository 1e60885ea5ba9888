"""One claim on its way to a record: jobs go out to workers, answers come back, in plain data."""

from __future__ import annotations

import json
import traceback
from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, Future
from dataclasses import asdict, dataclass, field
from typing import Any

from grokverify._lab import Lab
from grokverify._notes import from_plain, to_plain
from grokverify._plan import Course, Plan, Unit
from grokverify._verdict import Record
from grokverify._verify import failed
from grokverify.records import from_json

LOSSES = 5  # workers that one job may lose; somebody else killed them, for jobs run in children


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do with one claim, in plain data.

    ``do`` is "verify" for a whole claim; or "plan", then "observe" for each of its units, then
    "fold"; or "measure" for blocks of a sweep over sizes. ``more`` holds JSON values.
    """

    do: str
    ref: str
    lab: Lab
    more: Mapping[str, Any] = field(default_factory=dict)


class Gone(Exception):
    """A job that gave no answer: why, and the last words of the process that had it."""


class Ongoing:
    """One claim on its way to a record: the jobs it waits for, and what they answered."""

    def __init__(self, ref: str, lab: Lab, claim: str, parts: int = 1) -> None:
        self.ref, self.lab, self.claim = ref, lab, claim
        first = Job("plan", ref, lab, {"parts": parts}) if parts > 1 else Job("verify", ref, lab)
        self.jobs = deque([first])
        self._course: Course | None = None
        self._lost: Counter[str] = Counter()
        self._folding = self._over = False

    def answer(self, job: Job, future: Future[str]) -> Record | None:
        """Take an answer in; the record, once, when there is one."""
        if self._over:
            return None
        try:
            record = self._take(job, future.result())
        except Exception as e:
            which = f"{job.do} {job.more.get('unit')}"
            if worker_replaced(e) and self._lost[which] < LOSSES:
                self._lost[which] += 1
                self.jobs.appendleft(job)
                return None
            record = self._failure(e)
        self._over = record is not None
        if self._over:
            self.jobs.clear()
        return record

    def _take(self, job: Job, text: str) -> Record | None:
        if job.do in ("verify", "fold"):
            return from_json(text)
        if self._folding:  # a block that came in after the one that settled its check
            return None
        if job.do == "plan":
            self._course = Course(Plan.of(json.loads(text)))
        assert self._course is not None
        if job.do == "observe":
            self._course.put(Unit.of(job.more["unit"]), from_plain(json.loads(text)))
        self.jobs += [self._job("observe", unit=asdict(u)) for u in self._course.ready()]
        needed = [j for j in self.jobs if not self._course.needless(Unit.of(j.more["unit"]))]
        self.jobs = deque(needed)
        if self._course.complete:
            self._folding = True
            seen = {name: to_plain(notes) for name, notes in self._course.seen().items()}
            self.jobs.append(self._job("fold", seen=seen))
        return None

    def _job(self, do: str, **more: Any) -> Job:
        return Job(do, self.ref, self.lab, more)

    def _failure(self, e: Exception) -> Record:
        if isinstance(e, Gone):
            why, trace = e.args
        elif isinstance(e, BrokenExecutor):
            trace, why = (
                "",
                (
                    f"worker lost: {type(e).__name__}: {e} A process of the executor died, by this "
                    "claim or by another one. Run the claim alone to see which."
                ),
            )
        else:
            trace = "".join(traceback.format_exception(e, limit=-3))
            why = f"{type(e).__name__}: {e}"
        return failed(self.ref, self.lab, why, trace, claim=self.claim)


def worker_replaced(e: Exception) -> bool:
    """Whether a worker was lost whose executor goes on without it (dask names it so)."""
    return type(e).__name__ in ("KilledWorker", "FutureCancelledError", "CommClosedError")
