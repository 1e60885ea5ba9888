"""Real images that ship inside a package, so that no run loads anything over a network."""

from __future__ import annotations

import numpy as np


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1797 handwritten digits of scikit-learn: pixels (1797, 64) in [0, 1], labels (1797,).

    8 x 8 pixels of 17 grey levels, from the UCI repository (Alpaydin and Kaynak 1998). They come
    with the wheel; scikit-learn is imported here and nowhere else.

    Raises:
        ImportError: scikit-learn is not installed; the message says how to get it.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as e:
        raise ImportError(
            "the digit images ship with scikit-learn, which is not installed here. Install it with "
            "pip install 'grokverify[images]'; nothing else needs it."
        ) from e
    pixels, labels = load_digits(return_X_y=True)
    return pixels / 16.0, labels
