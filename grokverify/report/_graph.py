"""Claims and what they rest on, drawn in layers: everything stands to the right of its sources."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grokverify._verdict import Record, Verdict
from grokverify.report import _text as say

WIDTH, HEIGHT, GAP_X, GAP_Y = 206, 58, 44, 14
KINDS = ("uses", "corrects", "sharpens")


@dataclass(frozen=True, slots=True)
class Node:
    claim: str
    lines: tuple[str, ...]
    full: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Edge:
    """From a claim to one that rests on it, corrects it or sharpens it."""

    kind: str
    path: str
    head: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """One connected family of claims."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    width: int
    height: int


def arrows(records: Sequence[Record]) -> list[tuple[str, str, str]]:
    """(source, target, kind) for every relation between two claims of this run."""
    known = {r.claim for r in records}
    return [
        (old, r.claim, kind)
        for r in records
        for kind in KINDS
        for old in dict.fromkeys(getattr(r, kind))
        if old in known and old != r.claim
    ]


def footing(records: Sequence[Record]) -> dict[str, bool | None]:
    """Whether all that a claim uses, and all that those use, is verified; None for no source."""
    by_id = {r.claim: r for r in records}
    found: dict[str, bool | None] = {}
    for r in records:
        below, todo = set[str](), list(r.uses)
        while todo:
            name = todo.pop()
            if name not in below and name != r.claim:
                below.add(name)
                todo += by_id[name].uses if name in by_id else ()
        holds = all(n in by_id and by_id[n].verdict is Verdict.VERIFIED for n in below)
        found[r.claim] = holds if below else None
    return found


def resting(records: Sequence[Record], claim: str) -> list[str]:
    """The claims that use this one, directly or through others, in the order of the records."""
    reached, grown = {claim}, True
    while grown:
        more = {r.claim for r in records if r.claim not in reached and reached & set(r.uses)}
        reached, grown = reached | more, bool(more)
    return [r.claim for r in records if r.claim in reached and r.claim != claim]


def drawings(records: Sequence[Record]) -> list[Drawing]:
    """A drawing of every family, the largest first; claims without relations have none."""
    links = arrows(records)
    titles = {r.claim: say.clean(r.title or r.claim, 240).replace("$", "") for r in records}
    families = _families([r.claim for r in records], links)
    return [_drawing(f, [e for e in links if e[0] in f], titles) for f in families]


def _families(names: Sequence[str], links: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    home = {n: n for n in names}

    def find(n: str) -> str:
        while home[n] != n:
            home[n] = home[home[n]]
            n = home[n]
        return n

    for a, b, _ in links:
        home[find(b)] = find(a)
    groups: dict[str, list[str]] = {}
    for n in names:
        groups.setdefault(find(n), []).append(n)
    return sorted((g for g in groups.values() if len(g) > 1), key=lambda g: -len(g))


def _drawing(
    family: list[str], links: list[tuple[str, str, str]], titles: Mapping[str, str]
) -> Drawing:
    layers = _layers(family, links)
    tall = max(map(len, layers))
    height = tall * (HEIGHT + GAP_Y) - GAP_Y + 4
    nodes = {}
    for k, layer in enumerate(layers):
        top = (height - len(layer) * (HEIGHT + GAP_Y) + GAP_Y) // 2
        for i, name in enumerate(layer):
            lines = textwrap.wrap(titles[name], 32) or [name]
            shown = lines[:2] if len(lines) <= 2 else [lines[0], lines[1][:30] + "…"]
            x, y = 2 + k * (WIDTH + GAP_X), top + i * (HEIGHT + GAP_Y)
            nodes[name] = Node(name, tuple(shown), titles[name], x, y)
    edges = tuple(_edge(nodes[a], nodes[b], kind) for a, b, kind in links)
    width = len(layers) * (WIDTH + GAP_X) - GAP_X + 4
    return Drawing(tuple(nodes[n] for layer in layers for n in layer), edges, width, height)


def _layers(family: list[str], links: list[tuple[str, str, str]]) -> list[list[str]]:
    """Longest paths give the layers, mean heights of the neighbours the order within them."""
    depth = dict.fromkeys(family, 0)
    for _ in family:  # at most one round a claim, so that a circle comes to an end
        moved = [(b, depth[a] + 1) for a, b, _ in links if depth[b] <= depth[a] < len(family) - 1]
        if not moved:
            break
        for name, d in moved:
            depth[name] = max(depth[name], d)
    used = sorted(set(depth.values()))
    layers = [[n for n in family if depth[n] == d] for d in used]
    near: dict[str, list[str]] = {n: [] for n in family}
    for a, b, _ in links:
        near[a].append(b)
        near[b].append(a)
    for _ in range(4):
        place = {n: i - len(layer) / 2 for layer in layers for i, n in enumerate(layer)}
        for layer in layers:
            mean = {n: sum(place[m] for m in near[n]) / len(near[n]) for n in layer}
            layer.sort(key=lambda n: mean[n])
            place.update({n: i - len(layer) / 2 for i, n in enumerate(layer)})
    return layers


def _edge(a: Node, b: Node, kind: str) -> Edge:
    x, y, u, v = a.x + WIDTH, a.y + HEIGHT // 2, b.x - 1, b.y + HEIGHT // 2
    bend = max(22, abs(u - x) // 2)
    path = f"M{x} {y}C{x + bend} {y} {u - bend} {v} {u - 4} {v}"
    return Edge(kind, path, f"M{u - 7} {v - 4}L{u} {v}L{u - 7} {v + 4}z")
