"""Supervision: a claim runs in a child process that may hang, crash or be killed.

Only a process can be bounded: a signal handler waits for the C call it interrupts, and a wedged
device call never returns. Each supervising thread keeps one child and replaces it when it dies.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO

from grokverify._child import DEAD_DEVICE
from grokverify._devices import pinned
from grokverify._lab import Lab
from grokverify._ongoing import Gone, Job
from grokverify._verdict import Record
from grokverify._verify import failed
from grokverify.records import from_json

ATTEMPTS = 2  # for a death of the claim's own making (a crash, a timeout never)
KILLS = 5  # for deaths by SIGKILL or SIGTERM, which somebody else may have sent ...
EARLY = 50  # ... and for those before the child had even begun
STARTING = 600.0  # seconds that a child may take until it can be asked


class Lost(Exception):
    """The child died or was killed; ``own`` unless somebody outside may have done it."""

    def __init__(self, why: str, *, own: bool) -> None:
        super().__init__(why)
        self.own = own
        self.early = False


def perform_isolated(job: Job, timeout: float | None = None) -> str:
    """``perform`` in a supervised child process, killed at the timeout.

    A crash is tried again with the same seeds, so that a record does not depend on it.

    Args:
        timeout: seconds for one attempt; None waits for ever.

    Raises:
        Gone: the job stays lost; it names the signal or the exit code.
    """
    own = other = early = 0
    while True:
        if _closed.is_set():
            raise RuntimeError("the run is being stopped")
        child = _mine.child(job.lab.device)
        try:
            return child.ask(job, timeout)
        except Lost as e:
            child.close()
            early += e.early and not e.own
            own, other = own + e.own, other + (not e.own and not e.early)
            hopeless = e.own and (own >= ATTEMPTS or "timeout" in str(e))
            if hopeless or other > KILLS or early > EARLY:
                n = own + other + early
                tries = "" if n == 1 else f" ({n} attempts)"
                raise Gone(f"{e}{tries}", child.last_words) from None
        except Gone:
            raise  # the child is well: it has said why there is no answer
        except BaseException:
            child.close()
            raise


def verify_isolated(ref: str, lab: Lab, timeout: float | None = None, *, claim: str = "") -> Record:
    """``verify_ref`` in a supervised child process; what stays lost is a record with ERROR."""
    try:
        return from_json(perform_isolated(Job("verify", ref, lab), timeout))
    except Gone as e:
        return failed(ref, lab, *e.args, claim=claim)


def close_all() -> None:
    """Kill every child of this process, and start no more until ``reopen``."""
    _closed.set()
    for child in list(_all):
        child.close()


def reopen() -> None:
    """Allow children again, for the next run in this process."""
    _closed.clear()


class Child:
    """One process that verifies claims, one line of JSON each way."""

    def __init__(self, pin: Mapping[str, str]) -> None:
        self.pin = pin
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        self._shut = False
        self.last_words = ""  # the end of its stderr, after close: faulthandler's stack, usually
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from grokverify._child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            start_new_session=True,  # a group of its own, killed as a whole
            env={**os.environ, **pin, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        self._buffer = b""
        self._ready = False
        _all.add(self)

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: Job, timeout: float | None) -> str:
        """Send one job and wait for its answer.

        Raises:
            Lost: the child died, or did not answer in time and was killed.
            Gone: the child says that it cannot answer.
        """
        self._await()
        task = {**asdict(job), "path": sys.path, "folder": os.getcwd()}
        pipe = self._process.stdin
        assert pipe is not None
        try:
            pipe.write(json.dumps(task).encode() + b"\n")
            pipe.flush()
        except OSError:
            raise self._death() from None
        answer = json.loads(self._line(timeout))
        if "why" in answer:
            raise Gone(answer["why"], answer["trace"])
        return str(answer["text"])

    def _await(self) -> None:
        """Wait until the child can be asked: its start is no part of any job."""
        if not self._ready:
            try:
                self._line(STARTING)
            except Lost as e:
                e.early = True
                raise
            self._ready = True

    def _line(self, timeout: float | None) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([pipe], [], [], left)[0]:
                self.close()
                raise Lost(
                    f"timeout: no verdict within {timeout:g} s, and the process was killed. Raise "
                    "--timeout, or make the claim cheaper at this profile",
                    own=True,
                )
            part = os.read(pipe.fileno(), 1 << 16)
            if not part:
                raise self._death()
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _death(self) -> Lost:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.close()
            code = self._process.wait(5)
        if code < 0:
            name = signal.Signals(-code).name
            outside = -code in (signal.SIGKILL, signal.SIGTERM)
            hint = " (out of memory, or killed from outside)" if outside else ""
            return Lost(f"worker lost: the process died of {name}{hint}", own=not outside)
        if code == DEAD_DEVICE:
            return Lost(
                "worker lost: the CUDA device reported an error and its context died", own=True
            )
        return Lost(f"worker lost: the process ended with exit code {code}", own=True)

    def close(self) -> None:
        """Kill the child and everything it started, and keep its last words."""
        if self._shut:
            return
        self._shut = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._words.seek(max(0, self._words.seek(0, os.SEEK_END) - 4000))
        self.last_words = self._words.read().decode(errors="replace")
        for file in (self._process.stdin, self._process.stdout, self._words):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()


class _Mine(threading.local):
    """The child of this thread, and the number of the thread: it sets the device."""

    def __init__(self) -> None:
        self.held: Child | None = None
        self.slot = next(_slots)

    def child(self, device: str) -> Child:
        pin = pinned(device, self.slot)
        if self.held is not None and self.held.pin != pin:
            self.held.close()
        if self.held is None or self.held.pin != pin or not self.held.alive():
            self.held = Child(pin)
        return self.held


_slots = itertools.count()
_mine = _Mine()
_closed = threading.Event()
atexit.register(close_all)
_all: weakref.WeakSet[Child] = weakref.WeakSet()
