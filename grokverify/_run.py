"""Find claims, and verify many of them on any ``concurrent.futures.Executor``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from pathlib import Path
from types import ModuleType

from grokverify._claim import Claim
from grokverify._lab import Lab
from grokverify._verdict import Record
from grokverify._verify import failed, verify


def find(place: str) -> dict[str, Claim]:
    """The claims of "module", "module:name", "file.py" or "file.py:name", by reference.

    Only strings cross a process boundary; this turns them into claims on the other side.

    Raises:
        LookupError: there is no such module, file, name or claim.
        Exception: whatever the module raises while it is imported.
    """
    target, _, name = place.partition(":")
    module = _load(target)
    claims = {k: v for k, v in vars(module).items() if isinstance(v, Claim)}
    if name and name not in claims:
        raise LookupError(
            f"{target} has no claim called {name!r}. It has: {', '.join(claims) or 'none'}."
        )
    if not claims:
        raise LookupError(f"{target} holds no claim. Assign a Claim(...) to a module-level name.")
    return {f"{target}:{k}": v for k, v in claims.items() if name in ("", k)}


def verify_ref(ref: str, lab: Lab) -> Record:
    """Verify one claim by reference; this is what an executor runs."""
    ((_, claim),) = find(ref).items()
    return verify(claim, lab, ref=ref)


def run(
    refs: Sequence[str],
    labs: Sequence[Lab],
    executor: Executor,
    *,
    task: Callable[[str, Lab], Record] = verify_ref,
) -> Iterator[Record]:
    """Verify many claims, records in order of completion.

    A task that raises, or whose process dies, becomes a record with the verdict ERROR.

    Args:
        refs: what ``find`` understands, one claim each.
        labs: one a device, used in turn.
        executor: any executor; strings and labs go out, records come back.
        task: what each worker runs, picklable where the executor needs it.
    """
    todo = [(ref, labs[i % len(labs)]) for i, ref in enumerate(refs)]
    futures = {executor.submit(task, ref, lab): (ref, lab) for ref, lab in todo}
    for future in as_completed(futures):
        ref, lab = futures[future]
        try:
            yield future.result()
        except BrokenExecutor as e:
            why = (
                f"worker lost: {type(e).__name__}: {e} A process of the executor died, by this "
                "claim or by another one. Run the claim alone to see which."
            )
            yield failed(ref, lab, why, "")
        except Exception as e:
            why = f"{type(e).__name__}: {e}"
            yield failed(ref, lab, why, "".join(traceback.format_exception(e, limit=-3)))


def _load(target: str) -> ModuleType:
    if not target.endswith(".py"):
        try:
            return importlib.import_module(target)
        except ModuleNotFoundError as e:
            if e.name and (target == e.name or target.startswith(f"{e.name}.")):
                raise LookupError(
                    f"there is no module {target!r} on the path. For a file give its name with "
                    "'.py'; for a package install it or run where it can be imported."
                ) from None
            raise
    path = Path(target).resolve()
    if not path.is_file():
        raise LookupError(f"there is no file {target!r} (looked at {path}).")
    name = f"grokverify_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LookupError(f"{target!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
