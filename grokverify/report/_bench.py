"""A page of timings from the JSON of pytest-benchmark: peers, limits and how costs grow.

The benchmarks of this project say in ``extra_info`` what they were compared with; see
tests/bench/paired.py. Any other file of pytest-benchmark gives a page of times alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from grokverify.report import _text as say

_OWN = ("peers", "missing", "limit", "sizes", "machine")  # keys of extra_info with a meaning
_FACTS = ("threads", "load", "torch", "python")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over repeats, and the range that they cover."""

    median: float
    least: float
    largest: float

    @staticmethod
    def of(body: Any) -> Spread:
        """From a number, or from a mapping of "median", "least" and "largest"."""
        if not isinstance(body, Mapping):
            body = {"median": body}
        middle = float(body["median"])
        return Spread(middle, float(body.get("least", middle)), float(body.get("largest", middle)))

    def told(self, unit: str = "", scale: float = 1.0) -> str:
        a, m, b = (say.number(scale * v, 3) for v in (self.least, self.median, self.largest))
        return f"{m}{unit}" if a == b else f"{m}{unit} ({a} to {b})"


@dataclass(frozen=True, slots=True)
class Peer:
    """How many times longer a peer took, in turns with ours."""

    name: str
    ratio: Spread
    target: float | None = None

    @property
    def reached(self) -> bool | None:
        return None if self.target is None else self.ratio.median >= self.target


@dataclass(frozen=True, slots=True)
class Timing:
    """One kernel at one size."""

    kernel: str
    place: str  # the file of the benchmark
    sizes: Mapping[str, float]
    seconds: Spread
    peers: tuple[Peer, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    limit: tuple[str, Spread] | None = None
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Growth:
    """The cost of a kernel grows like ``variable ^ exponent`` between two sizes.

    ``along`` names sizes that grew with the variable; ``fixed`` those that did not. The exponent is
    the slope of a line through the logarithms, ``local`` the slopes between neighbours.
    """

    kernel: str
    variable: str
    low: float
    high: float
    points: int
    exponent: float
    local: tuple[float, float]
    fixed: Mapping[str, float] = field(default_factory=dict)
    along: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run of the benchmarks says."""

    facts: tuple[tuple[str, str], ...]
    timings: tuple[Timing, ...]
    growths: tuple[Growth, ...]
    skipped: tuple[tuple[str, str], ...]  # benchmark, reason


def read(body: Mapping[str, Any]) -> Bench:
    """The benchmarks of one JSON file of pytest-benchmark.

    Raises:
        ValueError: it is none.
    """
    try:
        timings = tuple(_timing(one) for one in body["benchmarks"])
        facts = _facts(body)
        skipped = tuple((str(s["name"]), str(s["reason"])) for s in body.get("skipped", ()))
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise ValueError(
            f"this is no JSON of pytest-benchmark ({type(e).__name__}: {e}). Make one with "
            "pytest tests/bench --benchmark-only --benchmark-json=FILE."
        ) from None
    names = dict.fromkeys(t.kernel for t in timings)
    growths = [g for k in names for g in growth([t for t in timings if t.kernel == k])]
    return Bench(facts, timings, tuple(growths), skipped)


def growth(timings: Iterable[Timing]) -> list[Growth]:
    """Cost exponents of one kernel in each size that varies while the others stay.

    Where no size varies alone, one exponent along the first of those that vary.
    """
    known = {tuple(sorted(t.sizes.items())): t for t in timings}  # the last of equal sizes counts
    points = list(known.values())
    names = [k for k in (points[0].sizes if points else ()) if _varies(points, k)]
    found = []
    for name in names:
        lines: dict[tuple[tuple[str, float], ...], list[Timing]] = {}
        for t in points:
            rest = tuple((k, v) for k, v in t.sizes.items() if k != name)
            lines.setdefault(rest, []).append(t)
        rest, longest = max(lines.items(), key=lambda line: (len(line[1]), line[0]))
        if len(longest) > 1:
            found.append(_slope(name, longest, fixed=dict(rest)))
    if names and not found:
        fixed = {k: v for k, v in points[0].sizes.items() if k not in names}
        if len({t.sizes.get(names[0]) for t in points}) == len(points):
            found.append(_slope(names[0], points, fixed=fixed, along=tuple(names[1:])))
    return found


def plain(bench: Bench) -> dict[str, Any]:
    """The same as JSON values."""
    body = asdict(bench)
    for timing, own in zip(body["timings"], bench.timings, strict=True):
        for peer, mine in zip(timing["peers"], own.peers, strict=True):
            peer["reached"] = mine.reached
    return body


def page(bench: Bench) -> str:
    """One self-contained HTML page."""
    from grokverify.report._page import environment

    here = Path(__file__).parent
    places = dict.fromkeys(t.place for t in bench.timings)
    compared = [p for t in bench.timings for p in t.peers if p.target is not None]
    return (
        environment()
        .get_template("bench.html.j2")
        .render(
            facts=bench.facts,
            groups=[(place, [t for t in bench.timings if t.place == place]) for place in places],
            growths=bench.growths,
            skipped=bench.skipped,
            missing=sorted({m for t in bench.timings for m in t.missing}),
            targets=len(compared),
            short=[p for p in compared if not p.reached],
            sizes=_sizes,
            duration=_duration,
            number=say.number,
            style=Markup((here / "style.css").read_text(encoding="utf-8")),
        )
    )


def _timing(body: Mapping[str, Any]) -> Timing:
    info, stats = body.get("extra_info") or {}, body["stats"]
    name = str(body["name"]).partition("[")[0].removeprefix("test_").replace("_", " ")
    sizes = info.get("sizes") or {
        k: v for k, v in (body.get("params") or {}).items() if _is_number(v)
    }
    peers = [(n, p if isinstance(p, Mapping) else {"median": p}) for n, p in _pairs(info, "peers")]
    limit = info.get("limit")
    return Timing(
        kernel=name,
        place=str(body.get("fullname", "")).partition("::")[0].rpartition("/")[2],
        sizes={str(k): v for k, v in sizes.items()},
        seconds=Spread(float(stats["median"]), float(stats["min"]), float(stats["max"])),
        peers=tuple(Peer(n, Spread.of(p), p.get("target")) for n, p in peers if "median" in p),
        missing=tuple((n, str(why)) for n, why in _pairs(info, "missing")),
        limit=(str(limit["name"]), Spread.of(limit["share"])) if limit else None,
        notes=tuple((k, _note(v)) for k, v in info.items() if k not in _OWN),
    )


def _facts(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    machine, commit = body.get("machine_info") or {}, body.get("commit_info") or {}
    cpu = machine.get("cpu") or {}
    found = {
        "processor": cpu.get("brand_raw") or machine.get("processor") or "",
        "cores": cpu.get("count", ""),
        "commit": str(commit.get("id") or "")[:12]
        + (" and changes" if commit.get("dirty") else ""),
        "time": str(body.get("datetime") or "")[:16],
    }
    told = [(b.get("extra_info") or {}).get("machine") or {} for b in body["benchmarks"]]
    for key in _FACTS:
        seen = dict.fromkeys(str(m[key]) for m in told if key in m)
        found[key] = ", ".join([*seen][:3]) + (", ..." if len(seen) > 3 else "")
    return tuple((k, str(v)) for k, v in found.items() if v not in ("", None))


def _slope(
    name: str, points: list[Timing], *, fixed: Mapping[str, float], along: tuple[str, ...] = ()
) -> Growth:
    at = sorted((math.log(t.sizes[name]), math.log(t.seconds.median)) for t in points)
    mean_x, mean_y = (sum(c) / len(at) for c in zip(*at, strict=True))
    above = sum((x - mean_x) * (y - mean_y) for x, y in at)
    slopes = [(y1 - y0) / (x1 - x0) for (x0, y0), (x1, y1) in pairwise(at)]
    return Growth(
        kernel=points[0].kernel,
        variable=name,
        low=min(t.sizes[name] for t in points),
        high=max(t.sizes[name] for t in points),
        points=len(at),
        exponent=above / sum((x - mean_x) ** 2 for x, _ in at),
        local=(min(slopes), max(slopes)),
        fixed=fixed,
        along=along,
    )


def _varies(points: list[Timing], name: str) -> bool:
    values = {t.sizes.get(name, 0) for t in points}
    return len(values) > 1 and all(_is_number(v) and v > 0 for v in values)


def _is_number(v: Any) -> bool:
    return isinstance(v, int | float) and not isinstance(v, bool)


def _pairs(info: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    return [(str(k), v) for k, v in (info.get(key) or {}).items()]


def _note(value: Any) -> str:
    if isinstance(value, Mapping) and "median" in value:
        return Spread.of(value).told()
    return say.number(value, 4)


def _sizes(sizes: Mapping[str, float]) -> str:
    return ", ".join(f"{k} = {say.number(v)}" for k, v in sizes.items())


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{say.number(seconds / size, 3)} {unit}"
    return f"{say.number(seconds / 1e-9, 3)} ns"
