"""Runs tests or a claim in a forked child in whose imports one source file reads differently.

Started by ``test_mutants`` as a process of its own: the heavy libraries are imported once, and each
child, forked before anything of grokverify is loaded, imports it afresh with the fault in place.
One JSON line a task on standard input; the exit code of the child, one line each, on output.
"""

import importlib.machinery
import json
import os
import signal
import sys
import traceback
from pathlib import Path

LIMIT = 240  # seconds for one task


def plant(file, old, new):
    """Make the import system read ``new`` for ``old`` in this file, and forget its bytecode."""
    target = str(Path(file).resolve())
    loader = importlib.machinery.SourceFileLoader
    get_data, path_stats = loader.get_data, loader.path_stats

    def read(self, path):
        data = get_data(self, path)
        same = str(path) == target
        return data.decode().replace(old, new, 1).encode() if same else data

    def stats(self, path):
        if str(path) == target:
            raise OSError("no bytecode for a file that reads differently")
        return path_stats(self, path)

    loader.get_data, loader.path_stats = read, stats


def run(killer):
    if killer.startswith("theorems."):
        from grokverify import Lab, find, verify

        ((ref, claim),) = find(killer).items()
        return 0 if verify(claim, Lab(profile="smoke"), ref=ref).as_expected else 1
    import pytest

    # Plain asserts: pytest would rewrite the modules of a plugin's package from their own files.
    options = ["-q", "-x", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return int(pytest.main([*options, killer]))


def child(task):
    signal.alarm(LIMIT)
    with open(task["log"], "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        if task["file"]:
            plant(task["file"], task["old"], task["new"])
        code = run(task["killer"])
        sys.stdout.flush()
    os._exit(code)


def main():
    import numpy
    import pytest
    import scipy.optimize
    import scipy.stats
    import sympy
    import torch

    del numpy, pytest, scipy, sympy, torch
    assert not any(name.split(".")[0] == "grokverify" for name in sys.modules)
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                child(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(70)
        _, status = os.waitpid(pid, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
