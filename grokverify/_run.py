"""Find claims, and verify many of them on any ``concurrent.futures.Executor``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from grokverify._claim import Claim
from grokverify._lab import Lab
from grokverify._measure import measure
from grokverify._notes import from_plain, to_plain
from grokverify._ongoing import Job, Ongoing
from grokverify._plan import Unit
from grokverify._verdict import Record
from grokverify._verify import fold, observe, plan, verify
from grokverify.records import to_json


def find(place: str) -> dict[str, Claim]:
    """The claims of "module", "module:name", "file.py" or "file.py:name", by reference.

    Only strings cross a process boundary; this turns them into claims on the other side.

    Raises:
        LookupError: there is no such module, file, name or claim.
        Exception: whatever the module raises while it is imported.
    """
    target, _, name = place.partition(":")
    module = _load(target)
    claims = {k: v for k, v in vars(module).items() if isinstance(v, Claim)}
    if name and name not in claims:
        raise LookupError(
            f"{target} has no claim called {name!r}. It has: {', '.join(claims) or 'none'}."
        )
    if not claims:
        raise LookupError(f"{target} holds no claim. Assign a Claim(...) to a module-level name.")
    return {f"{target}:{k}": v for k, v in claims.items() if name in ("", k)}


def verify_ref(ref: str, lab: Lab) -> Record:
    """Verify one claim by reference."""
    ((_, claim),) = find(ref).items()
    return verify(claim, lab, ref=ref)


def perform(job: Job) -> str:
    """Do a job in this process; the answer is JSON text."""
    ((_, claim),) = find(job.ref).items()
    if job.do == "plan":
        return json.dumps(asdict(plan(claim, job.lab, job.more["parts"])))
    if job.do == "observe":
        return json.dumps(to_plain(observe(claim, job.lab, Unit.of(job.more["unit"]))))
    if job.do == "measure":
        found = [measure(claim, job.lab, **block) for block in job.more["blocks"]]
        return json.dumps(found, allow_nan=False)
    if job.do == "fold":
        seen = {name: from_plain(body) for name, body in job.more["seen"].items()}
        return to_json(fold(claim, job.lab, seen, ref=job.ref))
    return to_json(verify(claim, job.lab, ref=job.ref))


def run(
    refs: Sequence[str],
    labs: Sequence[Lab],
    executor: Executor,
    *,
    task: Callable[[Job], str] = perform,
    at_once: int | None = None,
    parts: Mapping[str, int] | None = None,
    ids: Mapping[str, str] | None = None,
    groups: Mapping[str, str] | None = None,
    started: Callable[[str, Lab], None] | None = None,
) -> Iterator[Record]:
    """Verify many claims, records in order of completion.

    A job that raises, or whose process dies, becomes a record with the verdict ERROR. A worker that
    an executor replaces (dask) costs nothing: its job is done again, on the same streams.

    Args:
        refs: what ``find`` understands, one claim each; begun in this order.
        labs: one a device, used in turn.
        executor: any executor; jobs go out, JSON comes back.
        task: what each worker runs, picklable where the executor needs it.
        at_once: how many jobs the executor has at a time; all of them by default.
        parts: into how many blocks to cut the listed cases of a claim, by reference. The record is
            the same for any number.
        ids: the claims' ids by reference, for records of claims that cannot say their own.
        groups: claims of one group, by reference, share what is dear to compute: as far as may be
            they are done one after the other, by the worker that has it.
        started: called as a claim's first job goes out.
    """
    parts, ids, groups = parts or {}, ids or {}, groups or {}
    last = ""  # the group of the claim that ended last: its worker is the one that is free
    waiting = deque(
        Ongoing(ref, labs[i % len(labs)], ids.get(ref, ref), parts.get(ref, 1))
        for i, ref in enumerate(refs)
    )
    begun: list[Ongoing] = []
    futures: dict[Future[str], tuple[Ongoing, Job]] = {}
    while waiting or begun:
        while at_once is None or len(futures) < at_once:
            one = next((o for o in begun if o.jobs), None)
            if one is None and waiting:
                busy = {groups.get(o.ref, o.ref) for o in begun}
                at = _turn([groups.get(o.ref, o.ref) for o in waiting], last, busy)
                begun.append(one := waiting[at])
                del waiting[at]
                if started is not None:
                    started(one.ref, one.lab)
            if one is None or not one.jobs:
                break
            job = one.jobs.popleft()
            futures[_submit(executor, task, job)] = (one, job)
        done, _ = wait(futures, return_when=FIRST_COMPLETED)
        for future in done:
            one, job = futures.pop(future)
            record = one.answer(job, future)
            if record is not None:
                begun.remove(one)
                last = groups.get(one.ref, one.ref)
                yield record


def _turn(waiting: Sequence[str], last: str, busy: Collection[str]) -> int:
    """Whose turn it is: one of the last group, else the first of a group that nobody is at."""
    if last in waiting:
        return waiting.index(last)
    return next((k for k, group in enumerate(waiting) if group not in busy), 0)


def _submit(executor: Executor, task: Callable[[Job], str], job: Job) -> Future[str]:
    try:
        return executor.submit(task, job)
    except BrokenExecutor as e:  # the pool died with an earlier job
        future: Future[str] = Future()
        future.set_exception(e)
        return future


def _load(target: str) -> ModuleType:
    if not target.endswith(".py"):
        try:
            return importlib.import_module(target)
        except ModuleNotFoundError as e:
            if e.name and (target == e.name or target.startswith(f"{e.name}.")):
                raise LookupError(
                    f"there is no module {target!r} on the path. For a file give its name with "
                    "'.py'; for a package install it or run where it can be imported."
                ) from None
            raise
    if "\0" in target:
        raise LookupError(f"there is no file {target!r}; a name holds no NUL.")
    path = Path(target).resolve()
    if not path.is_file():
        raise LookupError(f"there is no file {target!r} (looked at {path}).")
    with _loading:  # or another thread would see the module half made
        return _load_file(target, path)


_loading = threading.RLock()


def _load_file(target: str, path: Path) -> ModuleType:
    name = f"grokverify_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LookupError(f"{target!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
