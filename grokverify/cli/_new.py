"""``new``: a commented claim that passes, to start from."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from grokverify.cli._base import OK, Command, Usage

_STARTER = Path(__file__).with_name("starter.py.txt")


def add(command: Command) -> None:
    """Register the command."""
    making = command("new", _new, "write a commented claim that passes, to start from")
    making.add_argument("file", help="a Python file that does not exist yet, e.g. my_claim.py")


def starter(stem: str) -> str:
    """The text of a new claim; ``stem``, the name of the file, also names the claim."""
    words = re.findall(r"[a-z0-9]+", stem.lower()) or ["claim"]
    text = _STARTER.read_text(encoding="utf-8")
    return text.replace("FILE", stem).replace("ID", "-".join(words)[:80])


def _new(args: argparse.Namespace) -> int:
    path = Path(args.file)
    if path.suffix != ".py":
        raise Usage(f"{path} is no Python file; give a name that ends in .py.")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter(path.stem))
    except FileExistsError:
        raise Usage(f"{path} is there already; choose another name.") from None
    except OSError as e:
        raise Usage(f"{path} cannot be written ({e.strerror}).") from None
    line = f"grokverify run {shlex.quote(str(path))}"
    print(f"{path} holds a claim that passes. Now:\n  {line}\nand change it.")
    return OK
