"""Damaged, stale, contested and oversized records; order and selection; ids, pickles, clocks."""

import ast
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import grokverify
from grokverify import Lab, Verdict, check, exact, records, verify
from grokverify.cli import main

CLAIMS = """
import time
from pathlib import Path
from grokverify import Claim, Skip, Source, check, exact, stats

@check(*[dict(n=n) for n in range(4)])
def small(lab, n, top=3):
    yield exact("n", n).at_most(top)

@check()
def chances(lab, bound=0.9):
    yield stats.decide("P", lambda at, k: at.uniform("u", k, low=0) < 0.2, lab=lab, at_most=bound)

@check()
def gpu(lab, x=0):
    if not lab.device.startswith("cuda"):
        raise Skip("needs a CUDA device")
    yield exact("x", x).equals(0)

@check()
def waits(lab, x=0):
    Path("started").touch()
    while not Path("go").exists():
        time.sleep(0.05)
    yield exact("x", x).equals(0)

def made(name, observe, **wrong):
    return Claim(id=f"t/{name}", source=Source("P", "1"), statement="s", checks=(observe,),
                 controls=(observe.but(**wrong),))

"""
FINE = 'small_one = made("small", small, top=2)\nchance = made("chance", chances, bound=0.1)\n'
RUN = ["run", "claims.py", "--workers", "1", "--no-isolate", "--out", "out", "--profile", "smoke"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("claims.py").write_text(CLAIMS + FINE)
    return tmp_path


def command(*words, **options):
    line = [sys.executable, "-m", "grokverify", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)


@pytest.mark.fault(10)
@pytest.mark.parametrize("damage", ["byte", "cut", "schema"])
def test_a_damaged_record_is_told_and_its_claim_runs_again(folder, capsys, damage):
    assert main(RUN) == 0
    path = Path("out/records.jsonl")
    first, second, last = path.read_text().splitlines()
    where = second.index("verified")
    bad = {
        "byte": second[:where] + "V" + second[where + 1 :],
        "cut": second[: len(second) // 2],
        "schema": json.dumps({**json.loads(second), "schema": 99}),
    }
    path.write_text(f"{first}\n{bad[damage]}\n{last}\n")
    capsys.readouterr()
    assert main([*RUN, "--resume"]) == 0
    told = capsys.readouterr()
    assert "out/records.jsonl, line 2" in told.err
    assert "It is ignored." in told.err
    assert "line 3: it counts other lines than the 2 before it" in told.err
    assert "resuming: 1 of 2 records are still good" in told.out
    found, problems = records.read(path)
    assert [r.verdict for r in found] == [Verdict.VERIFIED] * 2
    assert not problems


@pytest.mark.fault(12)
@pytest.mark.slow
def test_the_second_of_two_runs_in_one_folder_exits_with_2(folder):
    Path("claims.py").write_text(CLAIMS + 'slow_one = made("slow", waits, x=1)\n')
    words = ["run", "claims.py", "--workers", "1", "--no-isolate", "--out", "out"]
    first = subprocess.Popen([sys.executable, "-m", "grokverify", *words], stdout=subprocess.PIPE)
    try:
        while not Path("started").exists():
            assert first.poll() is None
            time.sleep(0.05)
        second = command(*words)
        assert second.returncode == 2
        assert "another run is writing to out. Wait for it, or choose another" in second.stderr
    finally:
        Path("go").touch()
        first.communicate()
    assert first.returncode == 0
    assert [r.claim for r in records.read("out/records.jsonl")[0]] == ["t/slow"]


@pytest.mark.fault(13)
@pytest.mark.parametrize("change", ["nothing", "code", "seed", "profile", "torch", "library"])
def test_resume_runs_again_what_a_change_has_touched(folder, capsys, change):
    assert main(RUN) == 0
    path = Path("out/records.jsonl")
    if change == "code":
        Path("claims.py").write_text(CLAIMS + "# edited\n" + FINE)
    if change in ("torch", "library"):
        old = [replace(r, machine={**r.machine, change: "0"}) for r in records.read(path)[0]]
        records.write(path, old)
    more = {"seed": ["--seed", "1"], "profile": ["--profile", "quick"]}.get(change, [])
    capsys.readouterr()
    assert main([*RUN, *more, "--resume"]) == 0
    assert ("resuming: 2 of 2 records" in capsys.readouterr().out) == (change == "nothing")
    assert len(records.read(path)[0]) == 2


@pytest.mark.fault(4)
@pytest.mark.slow
def test_a_run_that_is_killed_leaves_word_of_what_was_under_way(folder, capsys):
    Path("claims.py").write_text(CLAIMS + FINE + 'slow_one = made("slow", waits, x=1)\n')
    words = ["run", "claims.py", "--workers", "1", "--no-isolate", "--out", "out"]
    words += ["--profile", "smoke"]
    first = subprocess.Popen([sys.executable, "-m", "grokverify", *words], stdout=subprocess.PIPE)
    while not Path("started").exists():
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.communicate()
    found, problems = records.read("out/records.partial.jsonl")
    assert not problems
    assert {r.claim: r.verdict.value for r in found} == {
        "t/small": "verified",
        "t/chance": "verified",
        "t/slow": "error",
    }
    assert main(["report", "out/records.partial.jsonl", "--out", "page.html"]) == 0
    assert "started, but no verdict followed" in Path("page.html").read_text()
    Path("go").touch()
    capsys.readouterr()
    assert main([*words, "--resume"]) == 0
    told = capsys.readouterr().out
    assert "under way when the last run ended: t/slow" in told
    assert "resuming: 2 of 3 records are still good" in told
    assert [r.verdict.value for r in records.read("out/records.jsonl")[0]] == ["verified"] * 3


@pytest.mark.fault(14)
def test_without_a_gpu_auto_skips_and_says_why_and_cuda_is_refused_in_one_line(folder):
    """The devices are hidden, so that this holds on a machine with a GPU as well."""
    Path("claims.py").write_text(CLAIMS + 'gpu_one = made("gpu", gpu, x=1)\n' + FINE)
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = command(*RUN, env=hidden)
    assert done.returncode == 3
    found = {r.claim: r for r in records.read("out/records.jsonl")[0]}
    assert found["t/gpu"].verdict is Verdict.SKIPPED
    assert "needs a CUDA device" in found["t/gpu"].reason
    assert found["t/small"].verdict is Verdict.VERIFIED
    done = command(*RUN, "--device", "cuda", env=hidden)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "use --device cpu" in done.stderr


@pytest.mark.fault(16)
def test_neither_order_nor_selection_changes_a_record(folder):
    from grokverify import find, verify_ref

    refs = list(find("claims.py"))
    lab = Lab(profile="smoke")
    forth, back = [[verify_ref(ref, lab) for ref in order] for order in (refs, refs[::-1])]
    alone = [verify_ref(refs[1], lab)]
    for a, b in ((forth, back[::-1]), (forth[1:], alone)):
        for x, y in zip(a, b, strict=True):
            assert records.diff([x], [y]) == []
            assert [t.bound_hi for t in x.checks[0].tallies] == [
                t.bound_hi for t in y.checks[0].tallies
            ]
            assert x.checks[0].constants == y.checks[0].constants


@pytest.mark.fault(21)
@pytest.mark.parametrize("place", ["../../etc/passwd.py", "/nowhere/x.py", "a\0b.py", "..\\x.py"])
def test_hostile_paths_are_usage_errors(folder, capsys, place):
    assert main(["run", place, "--out", "out"]) == 2
    err = capsys.readouterr().err
    assert "there is no file" in err
    assert "\0" not in err


@pytest.mark.fault(22)
def test_nothing_in_the_library_unpickles():
    """Records are JSON. What a stranger sends is never executed, nor torch.load'ed."""
    loaders = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
    for path in Path(grokverify.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = set()
            if isinstance(node, ast.Import):
                names = {a.name.split(".")[0] for a in node.names}
            if isinstance(node, ast.ImportFrom):
                names = {(node.module or "").split(".")[0]}
            assert not names & loaders, f"{path} imports {names & loaders}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".load", ".Load")):
                given = {k.arg: ast.unparse(k.value) for k in node.keywords}
                safe = ast.unparse(node.func) in ("json.load", "tomllib.load")
                safe = safe or given.get("weights_only") == "True"
                assert safe or given.get("allow_pickle") == "False", f"{path}:{node.lineno}"


@pytest.mark.fault(23)
def test_a_clock_that_runs_backwards_does_not_matter(folder, monkeypatch):
    now = [2e9]

    def back():
        now[0] -= 3600.0
        return now[0]

    monkeypatch.setattr(time, "time", back)
    assert main(RUN) == 0
    found, problems = records.read("out/records.jsonl")
    assert not problems
    assert all(r.seconds >= 0 and r.verdict is Verdict.VERIFIED for r in found)


@pytest.mark.fault(24)
def test_a_syntax_error_in_one_module_leaves_the_rest(folder, capsys):
    Path("broken.py").write_text("def f(:\n")
    assert main(["run", "broken.py", *RUN[1:]]) == 4
    found = {r.claim: r.verdict.value for r in records.read("out/records.jsonl")[0]}
    assert found == {"t/small": "verified", "t/chance": "verified", "broken.py": "error"}
    assert "SyntaxError" in capsys.readouterr().out


@pytest.mark.fault(25)
def test_many_listed_cases_give_a_small_record(lab):
    from grokverify import Claim, Source

    @check(lambda lab: [dict(n=n) for n in range(20_000)])
    def many(lab, n, top=10**9):
        yield exact("n", n).at_most(top)

    one = Claim(
        id="t/many",
        source=Source("P", "1"),
        statement="s",
        checks=(many,),
        controls=(many.but(top=-1),),
    )
    record = verify(one, Lab(profile="smoke"))
    assert record.verdict is Verdict.VERIFIED
    assert record.checks[0].cases == 20_000
    assert len(records.to_json(record)) < 20_000
