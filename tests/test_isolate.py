"""Faults injected for real: hangs, crashes, kills, interrupts. Nothing finished is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grokverify import Lab, Verdict, records
from grokverify._isolate import close_all, reopen, verify_isolated
from grokverify.cli import main

HEAD = """
import ctypes, os, signal, time
from pathlib import Path
from grokverify import Claim, Source, check, exact

def made(name, observe):
    return Claim(id=f"t/{name}", source=Source("P", "1"), statement="s", checks=(observe,),
                 controls=(observe.but(x=1),))

@check()
def fine(lab, x=0):
    print("a claim may print")
    yield exact("x", x).equals(0)

good = made("good", fine)

@check()
def bad(lab, x=0):
    {body}
    yield exact("x", x).equals(0)

faulty = made("faulty", bad)
"""


@pytest.fixture
def claims(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reopen()

    def write(body):
        Path("claims.py").write_text(HEAD.replace("{body}", body))
        return "claims.py"

    yield write
    close_all()
    reopen()


SMOKE = Lab(profile="smoke")
SVD = "import torch; torch.linalg.svdvals(torch.arange(3e7).remainder(7919).reshape(5000, 6000))"


def test_an_isolated_record_is_the_record(claims):
    from grokverify import verify_ref

    path = claims("pass")
    inside, outside = verify_ref(f"{path}:good", SMOKE), verify_isolated(f"{path}:good", SMOKE)
    assert records.diff([inside], [outside]) == []
    assert outside.verdict is Verdict.VERIFIED


@pytest.mark.fault(4)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("os._exit(7)", "worker lost: the process ended with exit code 7 (2 attempts)"),
        ("ctypes.string_at(0)", "worker lost: the process died of SIGSEGV (2 attempts)"),
        ("os.abort()", "worker lost: the process died of SIGABRT (2 attempts)"),
        ("raise SystemExit(3)", "worker lost: the process ended with exit code 3 (2 attempts)"),
    ],
)
def test_a_crash_is_tried_again_and_then_named_and_the_next_claim_is_fine(claims, body, text):
    path = claims(body)
    record = verify_isolated(f"{path}:faulty", SMOKE)
    assert record.verdict is Verdict.ERROR
    assert text in record.reason
    assert verify_isolated(f"{path}:good", SMOKE).verdict is Verdict.VERIFIED


def test_a_segfault_leaves_its_stack_in_the_record(claims):
    record = verify_isolated(f"{claims('ctypes.string_at(0)')}:faulty", SMOKE)
    assert "Fatal Python error: Segmentation fault" in record.checks[0].error


@pytest.mark.fault(2, 3)
@pytest.mark.parametrize("body", ["while True: pass", "ctypes.CDLL(None).sleep(100)", SVD])
def test_a_hang_ends_at_the_timeout_in_python_and_in_c(claims, body):
    path = claims(body)
    assert verify_isolated(f"{path}:good", SMOKE, 60).verdict is Verdict.VERIFIED
    start = time.monotonic()
    record = verify_isolated(f"{path}:faulty", SMOKE, 2)
    assert time.monotonic() - start < 7
    assert record.verdict is Verdict.ERROR
    assert "timeout: no verdict within 2 s, and the process was killed" in record.reason
    assert verify_isolated(f"{path}:good", SMOKE, 60).verdict is Verdict.VERIFIED


@pytest.mark.fault(4)
def test_a_kill_from_outside_costs_nothing(claims):
    """The first attempt is killed; the second, with the same seeds, gives the record."""
    body = (
        "flag = Path('flag'); first = not flag.exists(); flag.touch(); "
        "first and os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = claims(body)
    assert verify_isolated(f"{path}:faulty", SMOKE).verdict is Verdict.VERIFIED


@pytest.mark.fault(4)
def test_kills_without_end_are_an_error(claims):
    record = verify_isolated(f"{claims('os.kill(os.getpid(), signal.SIGKILL)')}:faulty", SMOKE)
    assert record.verdict is Verdict.ERROR
    assert "SIGKILL (out of memory, or killed from outside) (6 attempts)" in record.reason


def test_the_children_die_with_their_parent(claims):
    path = claims("Path('pid').write_text(str(os.getpid())); time.sleep(60)")
    code = (
        "from grokverify import Lab; from grokverify._isolate import verify_isolated; "
        f"verify_isolated('{path}:faulty', Lab(profile='smoke'))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    _wait_for(lambda: Path("pid").exists() and Path("pid").read_text())
    parent.kill()
    parent.wait()
    pid = int(Path("pid").read_text())
    _wait_for(lambda: not _running(pid))


@pytest.mark.fault(11)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_stops_soon_keeps_what_is_done_and_resumes(claims, number, code):
    path = claims("Path('started').touch(); Path('go').exists() or time.sleep(60)")
    command = [sys.executable, "-m", "grokverify", "run", path, "--workers", "1", "--out", "out"]
    run = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # These tests may themselves run in the background of a shell, where it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _wait_for(lambda: Path("started").exists(), run)
    start = time.monotonic()
    run.send_signal(number)
    _, err = run.communicate(timeout=60)
    assert time.monotonic() - start < 5  # the claim sleeps for a minute
    assert run.returncode == code
    assert "1 finished records are in out/records.partial.jsonl" in err
    Path("go").touch()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "resuming: 1 of 2 records are still good" in done.stdout
    assert "under way when the last run ended: t/faulty" in done.stdout
    resumed, _ = records.read("out/records.jsonl")
    whole = subprocess.run([*command[:-1], "fresh"], capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    fresh, _ = records.read("fresh/records.jsonl")
    assert records.diff(resumed, fresh) == []


def test_resume_runs_again_what_changed(claims, capsys):
    path = claims("pass")
    arguments = ["run", path, "--workers", "1", "--out", "out", "--no-isolate"]
    assert main(arguments) == 0
    assert main([*arguments, "--resume", "--seed", "1"]) == 0
    assert "resuming" not in capsys.readouterr().out
    assert main([*arguments, "--resume", "--seed", "1"]) == 0
    assert "resuming: 2 of 2" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["serial", "local", "dask", "dask_processes"])
def test_every_executor_gives_the_same_records_and_survives_a_crash(claims, name):
    path = claims("os._exit(7)")
    command = [sys.executable, "-m", "grokverify", "run", path, "--out", name]
    command += ["--executor", f"grokverify.executors:{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    found, _ = records.read(f"{name}/records.jsonl")
    assert {r.claim: r.verdict.value for r in found} == {
        "t/good": "verified",
        "t/faulty": "error",
    }


def test_two_runs_never_share_a_folder(claims, capsys):
    import filelock

    path = claims("pass")
    Path("out").mkdir()
    with filelock.FileLock("out/.lock"):
        assert main(["run", path, "--workers", "1", "--out", "out"]) == 2
    assert "another run is writing to out" in capsys.readouterr().err


def _wait_for(condition, process=None):
    """Waits as long as it takes on a loaded machine; only a process that ended is given up on."""
    end = time.monotonic() + 600
    while not condition():
        ended = process is not None and process.poll() is not None
        assert not ended, f"it ended first: {process.communicate()}"
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


def _running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0]
