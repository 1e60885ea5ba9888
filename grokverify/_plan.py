"""How one claim is cut into units that any worker may observe, and what has to wait for what.

Everything here is plain data: a process that never imports the claim can steer it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grokverify._notes import Notes

CHEAP = 0.2  # seconds; a case that takes no longer is always observed a second time


@dataclass(frozen=True, slots=True)
class Unit:
    """The listed cases ``start:stop`` of one check or control (all, where they are sampled)."""

    name: str
    start: int = 0
    stop: int | None = None
    standing: tuple[str, ...] = ()  # what a negative control has yet to fell
    again: bool = False  # observed once more, to see that the numbers repeat

    @property
    def whole(self) -> bool:
        return self.start == 0 and self.stop is None

    @staticmethod
    def of(body: Mapping[str, Any]) -> Unit:
        """The inverse of ``dataclasses.asdict`` through JSON."""
        return Unit(**{**body, "standing": tuple(body["standing"])})


@dataclass(frozen=True, slots=True)
class Plan:
    """``blocks`` may run side by side; then each chain, the negative controls of one check."""

    blocks: tuple[Unit, ...]
    chains: tuple[tuple[str, tuple[str, ...]], ...]

    @staticmethod
    def of(body: Mapping[str, Any]) -> Plan:
        """The inverse of ``dataclasses.asdict`` through JSON."""
        chains = tuple((check, tuple(controls)) for check, controls in body["chains"])
        return Plan(tuple(Unit.of(unit) for unit in body["blocks"]), chains)


@dataclass
class Course:
    """What of a plan has been observed, and what may be observed next.

    A negative control stops at the case by which it has felled all that its check compared and no
    control before it has felled: it waits for those. The second look at the cheapest case of a
    check waits for its blocks. All else is independent.
    """

    plan: Plan
    _notes: dict[Unit, Notes] = field(default_factory=dict)
    _given: set[Unit] = field(default_factory=set)
    _joined: dict[str, tuple[int, Notes | None]] = field(default_factory=dict)
    _blocks: dict[str, list[Unit]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for unit in self.plan.blocks:
            self._blocks.setdefault(unit.name, []).append(unit)

    def ready(self) -> list[Unit]:
        """Units that nothing keeps waiting, each of them once; none when all is observed."""
        found = [u for u in self._known() if u not in self._given and not self.needless(u)]
        self._given.update(found)
        return found

    def put(self, unit: Unit, notes: Notes) -> None:
        """Keep what a unit showed."""
        self._notes[unit] = notes

    def needless(self, unit: Unit) -> bool:
        """Whether the cases before this block have settled its check already."""
        block = not unit.again and unit.name in self._blocks
        return block and self._whole(unit.name) is not None

    @property
    def complete(self) -> bool:
        return all(unit in self._notes or self.needless(unit) for unit in self._known())

    def seen(self) -> dict[str, Notes]:
        """The notes of every check and control, its blocks joined in order."""
        found: dict[str, Notes] = {}
        for unit in self._known():
            notes = self._whole(unit.name) or self._notes[unit]
            if unit.again:
                unsteady = self._notes[unit].unsteady or self._notes[unit].error
                notes = replace(notes, unsteady=unsteady)
            found[unit.name] = notes
        return found

    def _known(self) -> list[Unit]:
        """The blocks, and what else has been observed or may be."""
        found = list(self.plan.blocks)
        for check, controls in self.plan.chains:
            whole = self._whole(check)
            if whole is None:
                continue
            found += self._second_look(check, whole)
            standing = set(whole.tallies)
            for name in controls:
                unit = Unit(name, standing=tuple(sorted(standing)))
                found.append(unit)
                if unit not in self._notes:
                    break
                standing -= {n for n, t in self._notes[unit].tallies.items() if t.failed}
        return found

    def _second_look(self, check: str, whole: Notes) -> list[Unit]:
        """A check that was not cut has had it; one whose cheapest case is dear does without."""
        uncut = any(unit.whole for unit in self._blocks[check])
        if uncut or whole.ended or whole.cheapest is None:
            return []
        cost, index = whole.cheapest
        dear = cost > max(CHEAP, whole.seconds / 5)
        return [] if dear else [Unit(check, index, index + 1, again=True)]

    def _whole(self, name: str) -> Notes | None:
        """The joined notes of a check or positive control; None while some that count are missing.

        Blocks after the one that ended the sweep do not count.
        """
        blocks = self._blocks.get(name, [])
        at, whole = self._joined.get(name, (0, None))
        while at < len(blocks) and blocks[at] in self._notes and not (whole and whole.ended):
            mine = self._notes[blocks[at]]
            at, whole = at + 1, mine if whole is None else whole.then(mine)
        self._joined[name] = at, whole  # joined once, as far as it goes without a gap
        return whole if whole is not None and (whole.ended or at == len(blocks)) else None
