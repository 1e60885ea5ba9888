"""A sweep over sizes and seeds: its table does not depend on how it is cut or where it runs."""

import csv
import json
from concurrent.futures import Future
from pathlib import Path

import pytest

from grokverify import Lab, executors, find, replay
from grokverify._grid import Block, blocks, costs, lines, parse, spread
from grokverify._measure import fitting, measure
from grokverify._run import perform
from grokverify.cli import main

CLAIMS = """
from fractions import Fraction
from grokverify import Claim, Skip, Source, approx, check, exact, row, series

@check(dict(p=3, h=2), dict(p=5, h=2))
def norms(lab, p, h, factor=1):
    w = lab.normal("w", p, h)
    size = float(w.square().sum())
    yield approx("norm", factor * size).at_least(0)
    yield exact("share", Fraction(1, p))
    yield row(p=p, size=size)
    yield series("norm", x=p, y=size)

@check(dict(p=3), dict(p=5))
def small(lab, p, most=10):
    if p == 17:
        raise ValueError("p = 17 breaks it")
    if p == 19:
        raise Skip("p = 19 needs a GPU")
    yield exact("p", p).at_most(most)

@check()
def universal(lab, wrong=0):
    yield exact("draw", int(lab.integers("i", 0, 10**6)) * 0 + wrong).equals(0)

claim = Claim(id="t/sweep", source=Source("P", "1"), statement="s",
              checks=(norms, small, universal),
              controls=(norms.but(factor=-1), small.but(most=2), universal.but(wrong=1)))
"""


@pytest.fixture
def ref(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claims.py").write_text(CLAIMS)
    return "claims.py:claim"


@pytest.fixture
def claim(ref):
    (found,) = find(ref).values()
    return found


def table(folder):
    text = (Path(folder) / "measurements.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def swept(ref, grid, seeds, size, pool, at_once=1, task=perform):
    todo = blocks(["norms"], grid, seeds, size)
    found = {d[0]: d for d in spread(todo, ref, Lab(), pool, task=task, at_once=at_once)}
    return [found[block] for block in todo]


def test_a_grid_is_parsed():
    assert parse(["p=23,47", "name=a, b", "x=0.5", "k=[1,2],[3]"]) == {
        "p": [23, 47],
        "name": ["a", "b"],
        "x": [0.5],
        "k": [[1, 2], [3]],
    }


@pytest.mark.parametrize("word", ["p", "p=", "=3", "2p=3", "p=,"])
def test_what_is_no_grid_is_refused(word):
    with pytest.raises(ValueError, match="is no part of a grid; write NAME=VALUE,VALUE"):
        parse([word])


def test_a_name_comes_once():
    with pytest.raises(ValueError, match="p comes twice"):
        parse(["p=3", "p=5"])


def test_only_checks_of_these_parameters_fit(claim):
    assert fitting(claim, ["p", "h"]) == (["norms"], {"small": ["p"], "universal": []})
    assert fitting(claim, ["p"])[0] == ["small"]
    assert fitting(claim, [])[0] == ["universal"]


@pytest.mark.parametrize("names", [["q"], ["h"], ["p", "h", "q"]])
def test_a_grid_that_fits_no_check_is_told_what_would(claim, names):
    text = "no check of t/sweep is about .* alone. Its cases are told apart: norms by p, h; small "
    with pytest.raises(LookupError, match=f"{text}by p; universal by nothing"):
        fitting(claim, names)


def test_blocks_never_mix_cases_and_keep_their_order():
    found = blocks(["a", "b"], {"p": [3, 5]}, range(7, 12), 2)
    assert found[:4] == [
        Block("a", (("p", 3),), (7, 8)),
        Block("a", (("p", 3),), (9, 10)),
        Block("a", (("p", 3),), (11,)),
        Block("a", (("p", 5),), (7, 8)),
    ]
    assert len(found) == 12


def test_a_listed_case_has_the_numbers_it_has_in_a_run(claim):
    case, lab = {"p": 5, "h": 2}, Lab(seed=3)
    (seen,) = measure(claim, Lab(), "norms", case, [3])["seen"]
    (again,) = replay(claim, lab, "norms", case)
    assert seen[0]["lo"] == again.left.lo
    assert seen[0]["truth"] == "holds"
    assert seen[1] == {
        "name": "share",
        "lo": {"fraction": [1, 5]},
        "hi": {"fraction": [1, 5]},
        "grade": "exact",
    }
    assert seen[2]["row"]["size"] == pytest.approx(seen[0]["lo"])
    assert seen[3]["series"]["x"] == [5]


def test_the_numbers_do_not_depend_on_the_block(claim):
    whole = measure(claim, Lab(), "norms", {"p": 9, "h": 4}, range(6))["seen"]
    parts = [measure(claim, Lab(), "norms", {"p": 9, "h": 4}, [s])["seen"][0] for s in range(6)]
    assert whole == parts
    assert len({items[0]["lo"] for items in whole}) == 6


@pytest.mark.parametrize(("size", "workers"), [(1, 1), (3, 1), (5, 3), (100, 2)])
def test_tables_are_equal_for_any_cut_and_any_number_of_workers(ref, size, workers):
    grid, seeds = {"p": [3, 8], "h": [2]}, range(5)
    serial = lines(swept(ref, grid, seeds, 5, executors.serial(1)))
    with executors.local(workers) as pool:
        found = lines(swept(ref, grid, seeds, size, pool, at_once=workers))
    assert found == serial
    assert [(f["case"]["p"], f["seed"]) for f in found[::4]] == [
        (p, s) for p in (3, 8) for s in range(5)
    ]


class Loses:
    """An executor that replaces a worker it has lost, the first time each block comes."""

    def __init__(self):
        self.seen = set()

    def submit(self, task, job):
        future, key = Future(), json.dumps(dict(job.more))
        if key in self.seen:
            future.set_result(task(job))
        else:
            self.seen.add(key)
            future.set_exception(type("KilledWorker", (Exception,), {})("gone"))
        return future


def test_a_worker_that_is_replaced_costs_nothing(ref):
    grid = {"p": [3], "h": [2]}
    found = lines(swept(ref, grid, range(3), 1, Loses()))
    assert found == lines(swept(ref, grid, range(3), 1, executors.serial(1)))


def test_a_lost_block_is_an_error_for_each_of_its_seeds(ref):
    def dies(job):
        if any(2 in block["seeds"] for block in job.more["blocks"]):
            raise RuntimeError("no power")
        return perform(job)

    done = swept(ref, {"p": [3], "h": [2]}, range(4), 2, executors.serial(1), task=dies)
    wrong = [line for line in lines(done) if "error" in line]
    assert [(w["seed"], w["error"]) for w in wrong] == [
        (2, "RuntimeError: no power"),
        (3, "RuntimeError: no power"),
    ]
    (cost,) = costs(done)
    assert (cost.blocks, cost.seeds) == (1, 2)


def test_costs_are_told_for_each_case():
    block = Block("c", (("p", 3),), (0, 1))
    rest = Block("c", (("p", 3),), (2,))
    done = [(block, {"seconds": [1.0, 3.0]}, 4.5), (rest, {"seconds": [2.0]}, 2.1)]
    (cost,) = costs(done)
    assert (cost.instance, cost.block) == (2.0, 4.0)
    assert cost.around == pytest.approx(0.3)


def test_the_command_writes_a_table(ref, capsys):
    words = ["sweep", ref, "--grid", "p=3,11", "--seeds", "2", "--block", "1", "--out", "out"]
    assert main([*words, "--no-isolate"]) == 0
    out = capsys.readouterr().out
    assert "left out: norms, whose case is p, h" in out
    assert "small at p=11" in out
    assert "4 lines, 2 failing comparisons, 0 errors" in out
    rows = list(csv.DictReader(Path("out/measurements.csv").read_text().splitlines()))
    assert [(r["p"], r["seed"], r["lo"], r["truth"]) for r in rows] == [
        ("3", "0", "3", "holds"),
        ("3", "1", "3", "holds"),
        ("11", "0", "11", "fails"),
        ("11", "1", "11", "fails"),
    ]
    first = table("out")
    assert first[0]["case"] == {"p": 3}
    assert len(json.loads(Path("out/costs.json").read_text())["costs"]) == 2


def test_what_raises_is_an_error_and_what_is_skipped_is_told(ref, capsys):
    words = ["sweep", ref, "--grid", "p=17,19,3", "--no-isolate", "--out", "out"]
    assert main(words) == 4
    assert "error: small at {'p': 17}, seed 0: ValueError: p = 17 breaks it" in (
        capsys.readouterr().out
    )
    found = table("out")
    assert found[1]["skipped"] == "p = 19 needs a GPU"
    assert found[2]["truth"] == "holds"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--grid", "q=3"], "no check of t/sweep is about q alone"),
        (["--grid", "p"], "'p' is no part of a grid"),
        (["--seeds", "0"], "--seeds 0: give at least 1"),
        (["--block", "0"], "--block 0: give at least 1"),
        (["--executor", "nowhere:x"], "Give MODULE:FACTORY"),
        (["--executor", "os:getenv"], "--executor os:getenv"),
    ],
)
def test_the_command_says_what_is_wrong(ref, capsys, words, text):
    assert main(["sweep", ref, *words, "--out", "out"]) == 2
    assert text in capsys.readouterr().err
    assert not Path("out").exists()


class Counts(executors._Serial):
    def __init__(self):
        self.jobs = []

    def submit(self, task, job):
        self.jobs.append([tuple(b["seeds"]) for b in job.more["blocks"]])
        return super().submit(task, job)


def test_cheap_blocks_share_a_job_and_dear_ones_do_not(ref, monkeypatch):
    monkeypatch.setattr("grokverify._grid.WORTH", 1e9)
    pool = Counts()
    found = swept(ref, {"p": [3], "h": [2]}, range(40), 1, pool, at_once=2)
    assert pool.jobs[0] == [(0,)], "what a block costs is not known yet"
    assert len(pool.jobs[2]) > 5
    assert max(map(len, pool.jobs)) <= 10, "the others would have nothing to do"
    assert [s for job in pool.jobs for s in job] == [(k,) for k in range(40)]
    assert all(wall >= sum(answer["seconds"]) for _, answer, wall in found)
    monkeypatch.setattr("grokverify._grid.WORTH", 0.0)
    again = Counts()
    assert lines(swept(ref, {"p": [3], "h": [2]}, range(40), 1, again)) == lines(found)
    assert {len(job) for job in again.jobs} == {1}


def test_of_a_lost_job_each_block_is_tried_alone(ref, monkeypatch):
    monkeypatch.setattr("grokverify._grid.WORTH", 1e9)

    def dies(job):
        if any(7 in block["seeds"] for block in job.more["blocks"]):
            raise RuntimeError("no power")
        return perform(job)

    pool = Counts()
    done = swept(ref, {"p": [3], "h": [2]}, range(30), 1, pool, task=dies)
    assert [w["seed"] for w in lines(done) if "error" in w] == [7]
    assert sum((7,) in job for job in pool.jobs) == 2, "with others, and alone"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers"), [("dask", 2), ("dask_processes", 2), ("dask", 4)])
def test_dask_gives_the_table_of_a_serial_run(ref, name, workers):
    pytest.importorskip("distributed")
    words = ["sweep", ref, "--grid", "p=3,5,23", "h=2,16", "--seeds", "8", "--block", "3"]
    assert main([*words, "--no-isolate", "--executor", "grokverify.executors:serial"]) == 0
    serial = Path("reports/sweep/measurements.jsonl").read_bytes()
    pool = ["--executor", f"grokverify.executors:{name}", "--workers", str(workers)]
    assert main([*words, *pool, "--out", "dask"]) == 0
    assert Path("dask/measurements.jsonl").read_bytes() == serial
