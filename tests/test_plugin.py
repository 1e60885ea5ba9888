"""The pytest front end, run as a user would run it."""

import subprocess
import sys

import pytest
import torch

from grokverify import records

CLAIMS = """
from hypothesis import strategies as st
from grokverify import Claim, Source, Verdict, check, exact
SOURCE = Source("A paper", "Theorem 1")

@check(n=st.integers(0, 100))
def small(lab, n, top=101):
    yield exact("too large", int(n >= top)).equals(0)

@check(n=st.integers(0, 100))
def smaller(lab, n, top=30):
    yield exact("too large", int(n >= top)).equals(0)

true = Claim(id="t/true", source=SOURCE, statement="s", checks=(small,),
             controls=(small.but(top=30),))
printed = Claim(id="t/printed", source=SOURCE, statement="s", checks=(smaller,),
                controls=(smaller.but(top=101).must_hold(),), expect=Verdict.REFUTED)
"""
SURPRISE = (
    CLAIMS
    + """
false = Claim(id="t/false", source=SOURCE, statement="s", checks=(smaller,),
              controls=(smaller.but(top=101).must_hold(),))
"""
)


@pytest.fixture
def run(pytester):
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '-p no:benchmark'\n")

    def go(text, *options, name="test_claims"):
        pytester.makepyfile(**{name: text})
        return pytester.runpytest_subprocess("-m", "theorem", *options)

    return go


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_claims_are_items_and_records_come_home(run, pytester, workers):
    result = run(CLAIMS, "--theorem-records", "r.jsonl", *workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*theorems*", "*refuted*t/printed*", "*verified*t/true*", "*2 of 2 as expected*"]
    )
    found, problems = records.read(pytester.path / "r.jsonl")
    assert [r.claim for r in found] == ["t/printed", "t/true"]
    assert not problems


def test_a_surprise_fails_and_shows_its_witness_and_how_to_replay(run):
    result = run(SURPRISE)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*refuted (exact, sampled): t/false*",
            "*expected verified*",
            "*smaller: too large = 1 fails to be equal to 0 at n=30*",
            "*replay: grokverify replay *test_claims.py:false --check smaller --case*",
        ]
    )


def test_a_claim_file_needs_no_registration(run, pytester):
    pytester.makepyfile(my_claim=CLAIMS)
    pytester.runpytest_subprocess("-m", "theorem", "my_claim.py").assert_outcomes(passed=2)


def test_an_imported_claim_runs_once(run, pytester):
    pytester.makepyfile(test_other="from test_claims import true\n")
    run(CLAIMS).assert_outcomes(passed=2)


def test_a_duplicate_id_fails_and_names_the_first(run, pytester):
    pytester.makepyfile(test_again=CLAIMS)
    result = run(CLAIMS)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*'t/true' is already used by test_again.py::true*"])


def test_an_ordinary_suite_has_no_theorem_section(run):
    result = run("def test_one(): pass\n")
    result.assert_outcomes(deselected=1)
    assert "theorems" not in result.stdout.str()


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (("--theorem-timeout", "soon"), "--theorem-timeout soon: give seconds"),
        (("--theorem-profile", "fast"), "--theorem-profile fast: choose smoke, quick"),
        (("--theorem-seed", "x"), "--theorem-seed x: give an integer"),
        (
            ("--theorem-memory", "lots"),
            "--theorem-memory: a memory of lots: give bytes, such as 2GB",
        ),
        (("--theorem-device", "abacus"), "unknown device 'abacus'"),
    ],
)
def test_bad_options_are_usage_errors(run, option, text):
    result = run(CLAIMS, *option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text in result.stderr.str() + result.stdout.str()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_gpu_is_a_usage_error(run):
    result = run(CLAIMS, "--theorem-device", "cuda")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "sees 0 CUDA devices" in result.stderr.str() + result.stdout.str()


def test_ini_twins_set_profile_and_seed(run, pytester):
    pytester.makepyprojecttoml(
        "[tool.pytest.ini_options]\naddopts = '-p no:benchmark'\ntheorem_profile = 'smoke'\n"
        "theorem_seed = '3'\ntheorem_records = 'ini.jsonl'\n"
    )
    run(CLAIMS).assert_outcomes(passed=2)
    found, _ = records.read(pytester.path / "ini.jsonl")
    assert {(r.lab["profile"], r.lab["seed"]) for r in found} == {("smoke", 3)}


def test_pytest_and_the_command_line_agree(run, pytester):
    from grokverify import Lab, verify_ref

    run(CLAIMS, "--theorem-records", "r.jsonl")
    found, _ = records.read(pytester.path / "r.jsonl")
    direct = [verify_ref(f"{pytester.path}/test_claims.py:{n}", Lab()) for n in ("printed", "true")]
    assert records.diff(found, direct) == []
    assert [r.checks[0].cases for r in found] == [r.checks[0].cases for r in direct]


def test_a_selection_moves_the_records_of_other_claims_aside(run, pytester):
    run(CLAIMS, "--theorem-records", "r.jsonl")
    result = run(CLAIMS, "--theorem-records", "r.jsonl", "-k", "true")
    result.stdout.fnmatch_lines(["records: r.jsonl (records of 1 claims *to r.jsonl.aside)"])
    run(CLAIMS, "--theorem-records", "r.jsonl", "-k", "printed")
    aside, now = (records.read(pytester.path / n)[0] for n in ("r.jsonl.aside", "r.jsonl"))
    assert [r.claim for r in now] == ["t/printed"]
    assert sorted(r.claim for r in aside) == ["t/printed", "t/true"]


def test_a_suite_without_claims_imports_nothing_heavy(pytester):
    pytester.makepyfile("def test_one(): pass\n")
    code = "import sys, pytest; pytest.main(['-q', '-p', 'no:benchmark']); "
    code += "print(sorted({'torch', 'numpy', 'scipy', 'sympy', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=pytester.path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


CRASH = (
    CLAIMS
    + """
@check()
def crashes(lab, x=0):
    import os
    os._exit(7)
    yield

crashing = Claim(id="t/crashing", source=SOURCE, statement="s", checks=(crashes,),
                 controls=(crashes.but(x=1),))
"""
)


@pytest.mark.slow
@pytest.mark.fault(4)
def test_a_worker_that_dies_leaves_the_name_of_its_claim_and_the_other_records(run, pytester):
    run(CRASH, "--theorem-records", "r.jsonl", "-n", "2", "--max-worker-restart", "2")
    found, problems = records.read(pytester.path / "r.jsonl")
    assert not problems
    assert {r.claim: r.verdict.value for r in found} == {
        "t/true": "verified",
        "t/printed": "refuted",
        "t/crashing": "error",
    }
    assert "started, but no verdict followed" in {r.claim: r for r in found}["t/crashing"].reason
    assert not (pytester.path / "r.jsonl.partial").exists()


@pytest.mark.slow
@pytest.mark.fault(4)
def test_a_session_that_dies_leaves_the_records_it_has(run, pytester):
    run(CRASH, "--theorem-records", "r.jsonl")
    found, problems = records.read(pytester.path / "r.jsonl.partial")
    assert not problems
    assert {r.claim: r.verdict.value for r in found} == {
        "t/true": "verified",
        "t/printed": "refuted",
        "t/crashing": "error",
    }


@pytest.mark.slow
@pytest.mark.fault(2, 4)
def test_with_a_timeout_claims_run_in_supervised_processes(run, pytester):
    hanging = CRASH.replace("os._exit(7)", "os.getpid()\n    while True: pass")
    result = run(hanging, "--theorem-records", "r.jsonl", "--theorem-timeout", "5")
    result.assert_outcomes(passed=2, failed=1)
    (bad,) = (r for r in records.read(pytester.path / "r.jsonl")[0] if r.claim == "t/crashing")
    assert "timeout: no verdict within 5 s, and the process was killed" in bad.reason
