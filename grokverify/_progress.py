"""One line under a long run: what is running now, for how long, and how long it will take."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TextIO


class Progress:
    """Rewrites its line once a second while the block runs; says nothing where nobody watches.

    Workers take claims in order, so that those that run now are the first unfinished ones.

    Args:
        todo: what will run, in the order in which workers take it.
        workers: how many run at once.
        expected: seconds that each took the last time, as far as that is known.
        stream: a terminal; standard error by default.
    """

    def __init__(
        self,
        todo: Sequence[str],
        workers: int = 1,
        expected: Mapping[str, float] | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._todo, self._workers = dict.fromkeys(todo), max(1, workers)
        self._expected = dict(expected or {})
        self._stream, self._clock = stream or sys.stderr, clock
        self._start = self._changed = clock()
        self._took: list[float] = []
        self._total, self._lock = len(self._todo), threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Progress:
        if self._stream.isatty():
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
            self._write("\r\x1b[K")

    def finished(self, name: str, seconds: float, line: str) -> None:
        """Print the line of a finished claim above the progress line."""
        with self._lock:
            self._todo.pop(name, None)
            self._took.append(seconds)
            self._changed = self._clock()
            if self._thread.is_alive():
                self._write("\r\x1b[K")
            print(line, flush=True)

    def line(self) -> str:
        """The progress line of this moment."""
        now = self._clock()
        running = list(self._todo)[: self._workers]
        names = ", ".join(name.rpartition(":")[2] or name for name in running)
        told = (
            f"{self._total - len(self._todo)} of {self._total} done in {_brief(now - self._start)}"
        )
        if not running:
            return told
        left = self._left(now)
        guess = f", about {_brief(left)} to go" if left is not None else ""
        return f"{told}{guess}; running {names} ({_brief(now - self._changed)})"

    def _left(self, now: float) -> float | None:
        """What the rest took the last time, or the mean of this run, shared among the workers."""
        known = [self._expected[n] for n in self._todo if n in self._expected]
        unknown = len(self._todo) - len(known)
        if unknown and not self._took:
            return None
        mean = sum(self._took) / len(self._took) if self._took else 0.0
        return max(0.0, (sum(known) + unknown * mean) / self._workers - (now - self._changed))

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            with self._lock:
                if not self._over.is_set():
                    self._write(f"\r\x1b[K{self.line()[:110]}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _brief(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
