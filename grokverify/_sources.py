"""What a claim is made of: its text, and the files in which its checks and what they use stand."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from grokverify._claim import Claim

_ELSEWHERE = (Path(__file__).parent, Path(sysconfig.get_paths()["stdlib"]))


def source_hash(claim: Claim) -> str:
    """SHA-256 over the statement, the names of checks and controls, and the files they rest on.

    Those are the files in which the checks are written and all that these import, and so on, apart
    from installed packages and grokverify itself: ``machine`` tells those.
    """
    names = [c.name for c in (*claim.checks, *claim.controls)]
    digest = hashlib.sha256(repr((claim.statement, names)).encode())
    files, todo = set[str](), []
    for check in (*claim.checks, *claim.controls):
        plain = check.observe.func if isinstance(check.observe, partial) else check.observe
        todo.append(inspect.unwrap(plain).__code__.co_filename)
    while todo:
        name = todo.pop()
        if name not in files:
            files.add(name)
            path = Path(name)
            todo += _imports(name, path.stat().st_mtime_ns) if path.is_file() else ()
    for name in sorted(files):
        path = Path(name)
        digest.update(path.read_bytes() if path.is_file() else name.encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _imports(file: str, changed: int) -> tuple[str, ...]:
    """The files that one imports; ``changed`` is when it was written, to look again after that."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return ()
    found = (getattr(sys.modules.get(name), "__file__", None) for name in _names(tree, file))
    return tuple(dict.fromkeys(path for path in found if path and _is_ours(Path(path))))


def _names(tree: ast.AST, file: str) -> Iterator[str]:
    here = next((m.__package__ or "" for m in _modules() if m.__file__ == file), "")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = here.split(".")[: len(here.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _modules() -> list[Any]:
    return [m for m in list(sys.modules.values()) if getattr(m, "__file__", None)]


def _is_ours(path: Path) -> bool:
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not installed and not any(path.is_relative_to(folder) for folder in _ELSEWHERE)
