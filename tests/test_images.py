"""Images from an optional package: what they are, and what is said without the package."""

import sys

import numpy as np
import pytest

from grokverify.images import digits


def test_the_digits_are_grey_levels_and_ten_labels():
    pytest.importorskip("sklearn")
    pixels, labels = digits()
    assert pixels.shape == (1797, 64)
    assert set(np.unique(pixels * 16)) == set(range(17))
    # the counts of the classes are those of the UCI test set
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        ImportError, match=r"not installed here.*pip install 'grokverify\[images\]'"
    ):
        digits()
