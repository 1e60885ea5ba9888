"""The supervised process: reads jobs from its standard input, writes answers."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import threading
import time
import traceback
from typing import Any

DEAD_DEVICE = 86  # exit code


def main() -> None:
    """Serve tasks until the input ends. What a claim prints goes to stderr, not into the answer."""
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()
    importlib.import_module("grokverify._run")  # slow: done before anybody's time runs
    answers.write("ready\n")
    answers.flush()
    for line in tasks:
        answer = _answer(json.loads(line))
        _leave_a_dead_device()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(task: dict[str, Any]) -> dict[str, str]:
    sys.path[:] = task["path"]
    os.chdir(task["folder"])
    from grokverify._lab import Lab
    from grokverify._ongoing import Job
    from grokverify._run import perform

    lab = Lab(**{**task["lab"], "path": tuple(task["lab"]["path"])})
    try:
        return {"text": perform(Job(task["do"], task["ref"], lab, task["more"]))}
    except Exception as e:
        return {"why": f"{type(e).__name__}: {e}", "trace": traceback.format_exc(limit=-3)}


def _leave_a_dead_device() -> None:
    """End this process where the CUDA context is lost: every later call would fail in it.

    An illegal access or a device assert is reported by some later call, perhaps of another claim;
    so the answer is dropped, and the job is done again in a fresh process.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return
    try:
        torch.cuda.synchronize()
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(DEAD_DEVICE)


def _die_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
