import pytest

from grokverify import Lab

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab(profile="smoke")
