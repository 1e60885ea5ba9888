"""``grokverify sweep``: the checks of one claim over a grid of sizes and many seeds.

The grid is cut into blocks, some seeds of one case of one check each, which go to any executor. An
instance is a function of the claim, the case and the seed: the table is the same for any number of
workers and any size of block, and a table may be made in parts on several machines.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import Any

from grokverify._lab import Lab
from grokverify._ongoing import LOSSES, Job, worker_replaced

WORTH = 0.2  # seconds that a job should take at least: what goes around it then costs little
Done = tuple["Block", dict[str, Any], float]


@dataclass(frozen=True)
class Block:
    """Some seeds of one case of one check."""

    check: str
    case: tuple[tuple[str, Any], ...]
    seeds: tuple[int, ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Blocks of one kind and one number of seeds cost about the same."""
        return self.check, self.case, len(self.seeds)

    def plain(self) -> dict[str, Any]:
        return {"check": self.check, "case": dict(self.case), "seeds": list(self.seeds)}


@dataclass(frozen=True, slots=True)
class Cost:
    """What the blocks of one case of one check cost.

    ``instance`` is the median of the seconds that the worker spent on one seed, ``block`` that on a
    full block, and ``around`` the median of what sending, waiting and answering added to a block;
    blocks that went out in one job share it.
    """

    check: str
    case: Mapping[str, Any]
    blocks: int
    seeds: int
    instance: float
    block: float
    around: float


def parse(words: Sequence[str]) -> dict[str, list[Any]]:
    """``["p=23,47", "h=64"]`` as ``{"p": [23, 47], "h": [64]}``; values are JSON, or else text.

    Raises:
        ValueError: a word has no name or no value, or a name comes twice.
    """
    grid: dict[str, list[Any]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        listed = _values(values)
        if not equals or not name.isidentifier() or not listed:
            raise ValueError(f"{word!r} is no part of a grid; write NAME=VALUE,VALUE,...")
        if name in grid:
            raise ValueError(f"{name} comes twice; write its values once, with commas between.")
        grid[name] = listed
    return grid


def blocks(
    checks: Sequence[str], grid: Mapping[str, Sequence[Any]], seeds: Sequence[int], size: int
) -> list[Block]:
    """The blocks in the order of the table; each has at most ``size`` seeds."""
    cases = [tuple(zip(grid, values, strict=True)) for values in product(*grid.values())]
    cuts = [tuple(seeds[k : k + size]) for k in range(0, len(seeds), size)]
    return [Block(check, case, cut) for check in checks for case in cases for cut in cuts]


def spread(
    todo: Sequence[Block],
    ref: str,
    lab: Lab,
    executor: Executor,
    *,
    task: Callable[[Job], str],
    at_once: int,
) -> Iterator[Done]:
    """Observe blocks on an executor; each with its answer and the seconds until it came.

    In order of completion. Blocks of which the like took a moment go out several to a job, so that
    sending and waiting are paid once for all of them. A worker that the executor replaces costs
    nothing but time; a block that is lost alone for another reason has that as its answer, for each
    of its seeds.
    """
    waiting = list(reversed(todo))
    known: dict[tuple[Any, ...], float] = {}  # seconds of the last block of a kind
    lost: Counter[Block] = Counter()
    futures: dict[Future[str], tuple[list[Block], float]] = {}
    while waiting or futures:
        while waiting and len(futures) < at_once:
            some = _together(waiting, known, lost, at_once)
            job = Job("measure", ref, lab, {"blocks": [block.plain() for block in some]})
            since = time.perf_counter()
            futures[executor.submit(task, job)] = (some, since)
        for future in wait(futures, return_when=FIRST_COMPLETED).done:
            some, since = futures.pop(future)
            try:
                answers = json.loads(future.result())
            except Exception as e:
                lost.update(some)
                if len(some) > 1 or (worker_replaced(e) and lost[some[0]] <= LOSSES):
                    waiting += reversed(some)
                    continue
                why = [{"error": f"{type(e).__name__}: {e.args[0] if e.args else ''}"}]
                answers = [{"seen": [why for _ in some[0].seeds], "seconds": []}]
            spent = [sum(answer["seconds"]) for answer in answers]
            around = (time.perf_counter() - since - sum(spent)) / len(some)
            for block, answer, own in zip(some, answers, spent, strict=True):
                known[block.kind] = own
                yield block, answer, own + around


def _together(
    waiting: list[Block],
    known: Mapping[tuple[Any, ...], float],
    lost: Mapping[Block, int],
    at_once: int,
) -> list[Block]:
    """Take the blocks of the next job: together they take about ``WORTH``, where that is known.

    Never so many that a worker would have nothing to do; a block that was lost goes alone.
    """
    most = max(1, len(waiting) // (2 * at_once))
    some = [waiting.pop()]
    spent = known.get(some[0].kind, math.inf)
    while waiting and len(some) < most and not (lost.get(some[0]) or lost.get(waiting[-1])):
        spent += known.get(waiting[-1].kind, math.inf)
        if spent > WORTH:
            break
        some.append(waiting.pop())
    return some


def lines(done: Sequence[Done]) -> list[dict[str, Any]]:
    """The table: a line for every item of every instance, in the order of ``done``."""
    return [
        {"check": block.check, "case": dict(block.case), "seed": seed, **item}
        for block, answer, _ in done
        for seed, items in zip(block.seeds, answer["seen"], strict=True)
        for item in items
    ]


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """The measured numbers as CSV, the sizes in columns of their own."""
    names = list(dict.fromkeys(name for line in found for name in line["case"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["check", *names, "seed", "name", "lo", "hi", "relation", "truth"])
    for line in found:
        if "name" in line:
            sizes = [line["case"].get(name, "") for name in names]
            ends = [_short(line["lo"]), _short(line["hi"])]
            compared = [line.get("relation", ""), line.get("truth", "")]
            writer.writerow([line["check"], *sizes, line["seed"], line["name"], *ends, *compared])
    return text.getvalue()


def costs(done: Sequence[Done]) -> list[Cost]:
    """What each case of each check cost, in the order of the table."""
    groups: dict[tuple[str, tuple[tuple[str, Any], ...]], list[Done]] = {}
    for one in done:
        if one[1]["seconds"]:  # not lost
            groups.setdefault((one[0].check, one[0].case), []).append(one)
    found = []
    for (check, case), some in groups.items():
        full = max(len(block.seeds) for block, _, _ in some)
        spent = [s for _, answer, _ in some for s in answer["seconds"]]
        whole = [sum(a["seconds"]) for block, a, _ in some if len(block.seeds) == full]
        around = [wall - sum(answer["seconds"]) for _, answer, wall in some]
        seconds = (median(spent), median(whole), median(around))
        found.append(Cost(check, dict(case), len(some), len(spent), *seconds))
    return found


def _values(text: str) -> list[Any]:
    try:
        return list(json.loads(f"[{text}]"))
    except ValueError:
        return [word.strip() for word in text.split(",") if word.strip()]


def _short(number: Any) -> Any:
    if not isinstance(number, dict):
        return number
    ((kind, inner),) = number.items()
    return "/".join(map(str, inner)) if kind == "fraction" else inner
