"""pytest front end: every claim in a collected module becomes an item with the marker ``theorem``.

Nothing heavy is imported until a claim exists: pytest starts as fast as without this plugin.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from grokverify._devices import pinned

if TYPE_CHECKING:
    from pathlib import Path

    from grokverify._claim import Claim
    from grokverify._lab import Lab
    from grokverify._verdict import Record

_OPTIONS = {
    "device": ("auto", "where claims run: auto (CUDA where there is one), cpu, cuda, cuda:N"),
    "profile": ("quick", "how hard to try: smoke, quick, standard, paper"),
    "memory": ("", "bytes that one computation may plan with, such as 2GB"),
    "seed": ("0", "root of all randomness, an integer"),
    "records": ("", "file for the records, as JSON lines"),
    "timeout": ("", "seconds for a claim, which then runs in a supervised process of its own"),
}
_LABS: pytest.StashKey[Lab] = pytest.StashKey()


class Surprise(Exception):
    """A claim did not come to the verdict it was expected to come to."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grokverify", "theorem claims")
    for name, (default, text) in _OPTIONS.items():
        group.addoption(f"--theorem-{name}", default=None, metavar=name.upper(), help=text)
        parser.addini(f"theorem_{name}", text, default=default)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "theorem: a claim of a paper, verified by grokverify")
    if not hasattr(config, "workerinput"):  # not an xdist worker
        config.pluginmanager.register(Recorder(config), "grokverify-recorder")
    elif _option(config, "device") in ("auto", "cuda"):
        os.environ.update(pinned("cuda", 0))  # one GPU a worker, before torch is imported
    profile, seed = _option(config, "profile"), _option(config, "seed")
    if profile not in ("smoke", "quick", "standard", "paper"):
        raise pytest.UsageError(
            f"--theorem-profile {profile}: choose smoke, quick, standard or paper."
        )
    timeout = _option(config, "timeout")
    if timeout and not timeout.replace(".", "", 1).isdigit():
        raise pytest.UsageError(f"--theorem-timeout {timeout}: give seconds.")
    if memory := _option(config, "memory"):
        _bytes(memory)
    if not seed.lstrip("-").isdigit():
        raise pytest.UsageError(f"--theorem-seed {seed}: give an integer.")
    if _option(config, "device") not in ("auto", "cpu"):
        _lab(config)  # a missing device is a usage error now, not a failure of every claim


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"theorem_{name}")
    return str(config.getini(f"theorem_{name}") if given is None else given)


def _bytes(memory: str) -> int:
    from grokverify.cli._base import Usage, in_bytes

    try:
        return in_bytes(memory)
    except Usage as e:
        raise pytest.UsageError(f"--theorem-memory: {e}") from None


def _ahead(config: pytest.Config) -> Path | None:
    """Where records are written as claims start and end, one file for all workers."""
    path = _option(config, "records")
    return config.rootpath / f"{path}.partial" if path else None


def _lab(config: pytest.Config) -> Lab:
    if _LABS not in config.stash:
        from grokverify._lab import Lab
        from grokverify._machine import resolve_device

        try:
            device = resolve_device(_option(config, "device"))
        except ValueError as e:
            raise pytest.UsageError(f"--theorem-device: {e}") from None
        profile, seed = _option(config, "profile"), int(_option(config, "seed"))
        memory = _option(config, "memory")
        planned = _bytes(memory) if memory else None
        config.stash[_LABS] = Lab(device=device, profile=profile, seed=seed, memory=planned)
    return config.stash[_LABS]


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> pytest.Item | None:
    loaded = sys.modules.get("grokverify._claim")  # absent: nobody has written a claim
    if loaded is None or not isinstance(obj, loaded.Claim):
        return None
    return ClaimItem.from_parent(collector, name=name, claim=obj)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop a claim that a module only imported; refuse two claims with one id."""
    kept: dict[str, ClaimItem] = {}
    imported = []
    for item in items:
        if isinstance(item, ClaimItem):
            first = kept.setdefault(item.claim.id, item)
            if first is not item and first.claim is item.claim:
                imported.append(item)
            elif first is not item:
                item.duplicate_of = first.nodeid
    items[:] = [item for item in items if item not in imported]


class ClaimItem(pytest.Item):
    """One claim as a pytest item: passes if the verdict is the expected one."""

    def __init__(self, *, claim: Claim, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.claim = claim
        self.duplicate_of = ""
        self.add_marker("theorem")

    def runtest(self) -> None:
        if self.duplicate_of:
            raise Surprise(
                f"the claim id {self.claim.id!r} is already used by {self.duplicate_of}. Ids name "
                "records and random streams: give each claim its own."
            )
        from grokverify._verify import started, verify
        from grokverify.records import append, to_json

        ref = f"{self.path}:{self.name}"
        module = getattr(self.getparent(pytest.Module), "obj", None)
        if module is not None and "." in module.__name__:
            ref = f"{module.__name__}:{self.name}"
        lab, ahead = _lab(self.config), _ahead(self.config)
        if ahead:  # if this process dies, its claim is named
            append(ahead, started(ref, lab, claim=self.claim.id))
        if timeout := _option(self.config, "timeout"):
            from grokverify._isolate import verify_isolated

            record = verify_isolated(ref, lab, float(timeout), claim=self.claim.id)
        else:
            record = verify(self.claim, lab, ref=ref)
        if ahead:
            append(ahead, record)
        # A string: other values in user_properties do not survive the way home from a worker.
        self.user_properties.append(("grokverify", to_json(record)))
        if not record.as_expected:
            raise Surprise(_surprise(record))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Surprise):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        return self.path, None, f"theorem {self.claim.id}"


def _surprise(record: Record) -> str:
    from grokverify.cli import replay_line

    lines = [record.explain()]
    for o in (*record.checks, *record.controls):
        if o.error:
            lines.append(o.error)
    line = replay_line(record)
    return "\n".join(lines + ([f"replay: {line}"] if line else []))


class Recorder:
    """Collects the records that come home on reports; lives in the controller only."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.lines: list[str] = []
        if ahead := _ahead(config):
            ahead.unlink(missing_ok=True)  # of a session that died

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.lines += [str(v) for k, v in report.user_properties if k == "grokverify"]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        records = self._merged()
        if not records:
            return
        from grokverify._text import counts, table
        from grokverify.records import write

        terminalreporter.section("theorems")
        for line in table(records):
            terminalreporter.write_line(line)
        terminalreporter.write_line(counts(records))
        if path := _option(self.config, "records"):
            try:
                moved = _put_aside(path, records)
                write(path, records)
            except OSError as e:
                terminalreporter.write_line(
                    f"the records were not written: {e}. Choose a writable --theorem-records.",
                    red=True,
                )
            else:
                terminalreporter.write_line(f"records: {path}{moved}")
                if ahead := _ahead(self.config):
                    ahead.unlink(missing_ok=True)

    def _merged(self) -> list[Record]:
        """What came home, and what only the file knows: a worker that died sends nothing.

        A claim that ran twice, since its worker was replaced, has its last record; an error stays.
        """
        ahead = _ahead(self.config)
        if not self.lines and not (ahead and ahead.is_file()):
            return []
        from grokverify.records import from_json, read

        merged = {r.claim: r for r in read(ahead)[0]} if ahead and ahead.is_file() else {}
        failed = set()
        for record in map(from_json, self.lines):
            if record.claim not in failed:
                merged[record.claim] = record
            if record.verdict.value == "error":
                failed.add(record.claim)
        return sorted(merged.values(), key=lambda r: r.claim)


def _put_aside(path: str, now: list[Record]) -> str:
    """Move records of claims that did not run out of a file that is about to be replaced."""
    from grokverify.records import read, write

    if not os.path.isfile(path):
        return ""
    ran, aside = {r.claim for r in now}, f"{path}.aside"
    others = {r.claim: r for r in read(path)[0] if r.claim not in ran}
    if not others:
        return ""
    before = read(aside)[0] if os.path.isfile(aside) else []
    write(aside, ({r.claim: r for r in before} | others).values())
    return f" (records of {len(others)} claims that did not run moved to {aside})"
