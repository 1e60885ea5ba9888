import os
from pathlib import Path

import pytest

from grokverify import Lab

# Processes that tests start import this checkout, wherever they run and whatever is installed.
_ROOT = str(Path(__file__).parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab(profile="smoke")
