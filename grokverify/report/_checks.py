"""One check of a record, with its controls, as the page shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grokverify._evidence import Grade, Measurement, Truth
from grokverify._verdict import Outcome, Record, Tally, power_told
from grokverify.report import _text as say
from grokverify.report._plots import plots as pictures
from grokverify.report._words import Plot

TRUTHS = {
    Truth.HOLDS: ("✓", "holds"),
    Truth.FAILS: ("✗", "fails"),
    Truth.UNDECIDED: ("?", "undecided"),
}
_SIGNS = {">=": "≥", "<=": "≤", "==": "="}
_PLOTS, _ROWS, _COLUMNS, _LISTED = 4, 60, 24, 60  # how much of one check a page shows


@dataclass(frozen=True, slots=True)
class Quantity:
    """One line of a check's table."""

    name: str
    measured: str
    bound: str
    tally: str
    decided: str  # "holds", "fails", "undecided" or ""
    slack: str
    printed: str
    grade: str


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int


@dataclass(frozen=True, slots=True)
class Control:
    name: str
    positive: bool
    as_wanted: bool
    told: str
    felled: str
    where: str
    detail: str


@dataclass(frozen=True, slots=True)
class CheckView:
    outcome: Outcome
    name: str
    icon: str
    word: str
    how: str
    cases: str
    seconds: str
    quantities: tuple[Quantity, ...]
    more: int
    plots: tuple[Plot, ...]
    more_plots: int
    table: Table | None
    controls: tuple[Control, ...]
    witness: str
    detail: str
    error: str
    replay: str

    @property
    def has_slack(self) -> bool:
        return any(q.slack for q in self.quantities)

    @property
    def has_felled(self) -> bool:
        return any(c.felled or c.where for c in self.controls)

    @property
    def has_printed(self) -> bool:
        return any(q.printed for q in self.quantities)


def strength(o: Outcome | None) -> str:
    """Grade x coverage of one check."""
    if o is None:
        return "—"
    return f"{o.grade.name.lower()} × {say.clean(o.coverage, 40)}"


def check_view(r: Record, o: Outcome, plots: bool) -> CheckView:
    icon, word = TRUTHS[o.truth]
    if o.error or o.skipped:
        icon, word = ("!", "error") if o.error else ("–", "skipped")
    drawn = pictures(o.series) if plots else []
    failed = o.truth is Truth.FAILS
    return CheckView(
        outcome=o,
        name=say.clean(o.check, 200),
        icon=icon,
        word=word,
        how=strength(o) + (f", on {say.clean(o.clause, 80)}" if o.clause else ""),
        cases="" if failed else "1 case" if o.cases == 1 else f"{o.cases} cases",
        seconds=say.duration(o.seconds),
        quantities=tuple(_quantities(o))[:_LISTED],
        more=max(0, len(o.constants) - _LISTED),
        plots=tuple(drawn[:_PLOTS]),
        more_plots=max(0, len(drawn) - _PLOTS),
        table=_table(o),
        controls=tuple(_control(c) for c in r.controls if c.breaks == o.check),
        witness=say.case(o.witness) if failed else "",
        detail=say.clean(o.detail or o.skipped),
        error=say.clean(o.error),
        replay=say.replay(r, o) if failed or o.error else "",
    )


def _quantities(o: Outcome) -> Iterable[Quantity]:
    tallies = {t.name: t for t in o.tallies}
    known = {m.name for m in o.constants}
    for m in o.constants:
        yield _quantity(m, tallies.get(m.name), o.cases)
    for t in o.tallies:
        if t.name not in known:  # a record of another version
            yield _quantity(None, t, o.cases)


def _quantity(m: Measurement | None, t: Tally | None, cases: int) -> Quantity:
    name = m.name if m else t.name if t else ""
    unit = f" {say.clean(m.unit, 40)}" if m and m.unit else ""
    grade = (m.grade if m else t.grade if t else Grade.EMPIRICAL).name.lower()
    printed = say.number(m.printed) if m and m.printed is not None else ""
    measured = say.enclosure(m) + unit if m else ""
    if t is None:
        return Quantity(say.clean(name, 120), measured, "", "", "", "", printed, grade)
    parts = ((t.held, "held"), (t.failed, "failed"), (t.undecided, "undecided"))
    told = ", ".join(f"{n} {word}" for n, word in parts if n)
    told += f"; {power_told(t)}" if t.caught is not None else ""
    decided = "fails" if t.failed else "undecided" if t.undecided else "holds"
    bound = f"{_SIGNS.get(t.relation, '?')} {say.interval(t.bound_lo, t.bound_hi)}"
    slack = _slack(m, t) if m else ""
    return Quantity(
        say.clean(name, 120), measured, bound, told, decided, slack, printed, t.grade.name.lower()
    )


def _slack(m: Measurement, t: Tally) -> str:
    """Room between the worst measured end and a bound that is the same in every case."""
    if t.relation == "==":
        return ""
    if t.bound_lo != t.bound_hi:
        return "varies"
    try:
        room = m.lo - t.bound_hi if t.relation == ">=" else t.bound_lo - m.hi
    except OverflowError:  # a float beside an integer that no float can hold
        return ""
    return say.number(room, 3) if say.as_float(room) is not None else ""


def _table(o: Outcome) -> Table | None:
    heads: dict[str, None] = {}
    for r in o.rows[:_ROWS]:
        heads.update(dict.fromkeys(k for k, _ in r.columns))
    shown = list(heads)[:_COLUMNS]
    if not shown:
        return None
    rows = []
    for r in o.rows[:_ROWS]:
        cells = dict(r.columns)
        rows.append(tuple(say.number(cells[k]) if k in cells else "" for k in shown))
    return Table(tuple(say.clean(k, 60) for k in shown), tuple(rows), len(o.rows))


def _control(c: Outcome) -> Control:
    icon_word = TRUTHS[c.truth][1]
    told = "error" if c.error else "skipped" if c.skipped else icon_word
    felled = ", ".join(say.clean(name, 80) for name in c.felled[:12])
    return Control(
        name=say.clean(c.check, 240),
        positive=c.must == "hold",
        as_wanted=c.as_wanted,
        told=told,
        felled=felled,
        where=say.case(c.witness) if c.truth is Truth.FAILS else "",
        detail=say.clean(c.error or c.skipped or c.detail, 600),
    )
