"""Build the API reference from the docstrings:  python docs/api.py [FOLDER]  (default docs/api)."""

import pkgutil
import sys
from pathlib import Path

import pdoc
import pdoc.render

import grokverify

# Public names are imported on first use; pdoc looks at what is there.
vars(grokverify).update({name: getattr(grokverify, name) for name in grokverify.__all__})


def public(package: object, prefix: str) -> list[str]:
    """Modules without an underscore in their names; the command line documents itself."""
    found = []
    for info in pkgutil.iter_modules(package.__path__, prefix):  # type: ignore[attr-defined]
        name = info.name.rpartition(".")[2]
        if not name.startswith("_") and name not in ("cli", "plugin"):
            found.append(info.name)
    return found


def main(folder: str = "docs/api") -> None:
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc("grokverify", *public(grokverify, "grokverify."), output_directory=Path(folder))
    print(f"{folder}/index.html")


if __name__ == "__main__":
    main(*sys.argv[1:])
