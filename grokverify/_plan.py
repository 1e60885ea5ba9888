"""How one claim is cut into units that any worker may observe, and what has to wait for what.

Everything here is plain data: a process that never imports the claim can steer it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grokverify._notes import Notes


@dataclass(frozen=True, slots=True)
class Unit:
    """The listed cases ``start:stop`` of one check or control (all, where they are sampled)."""

    name: str
    start: int = 0
    stop: int | None = None
    standing: tuple[str, ...] = ()  # what a negative control has yet to fell

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
    control before it has felled: it waits for those. All else is independent.
    """

    plan: Plan
    _notes: dict[Unit, Notes] = field(default_factory=dict)
    _given: set[Unit] = field(default_factory=set)

    def ready(self) -> list[Unit]:
        """Units that nothing keeps waiting, each of them once; none when all is observed."""
        found = [u for u in (*self.plan.blocks, *self._controls()) if u not in self._given]
        self._given.update(found)
        return found

    def put(self, unit: Unit, notes: Notes) -> None:
        """Keep what a unit showed."""
        self._notes[unit] = notes

    @property
    def complete(self) -> bool:
        return set(self._notes) == {*self.plan.blocks, *self._controls()}

    def seen(self) -> dict[str, Notes]:
        """The notes of every check and control, its blocks joined in order."""
        joined: dict[str, Notes] = {}
        for unit in (*self.plan.blocks, *self._controls()):
            mine = self._notes[unit]
            joined[unit.name] = joined[unit.name].then(mine) if unit.name in joined else mine
        return joined

    def _controls(self) -> list[Unit]:
        """The negative controls that have been observed or may be."""
        found = []
        for check, controls in self.plan.chains:
            blocks = [unit for unit in self.plan.blocks if unit.name == check]
            if not all(unit in self._notes for unit in blocks):
                continue
            whole = self._notes[blocks[0]]
            for unit in blocks[1:]:
                whole = whole.then(self._notes[unit])
            standing = set(whole.tallies)
            for name in controls:
                unit = Unit(name, standing=tuple(sorted(standing)))
                found.append(unit)
                if unit not in self._notes:
                    break
                standing -= {n for n, t in self._notes[unit].tallies.items() if t.failed}
        return found
