"""Hypothesis as the adversary that draws cases, made independent of what else is loaded.

By default Hypothesis seeds its draws with constants found in the *local modules that happen to be
imported* and caches them for the whole process. The same seed would then give other cases under
pytest, on the command line and in a worker. This backend draws from the same distribution, with
Hypothesis' own list of nasty constants only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.internal.conjecture.choice import choice_permitted
from hypothesis.internal.conjecture.providers import (
    AVAILABLE_PROVIDERS,
    GLOBAL_CONSTANTS,
    HypothesisProvider,
)

_NAME = "grokverify"


class Provider(HypothesisProvider):
    """Hypothesis' own provider without the constants of local modules."""

    def _maybe_draw_constant(self, choice_type: Any, constraints: Any, *, p: float = 0.05) -> Any:
        assert self._random is not None
        if self._random.random() > p:
            return None
        nasty = GLOBAL_CONSTANTS.set_for_type(choice_type)
        allowed = [value for value in nasty if choice_permitted(value, constraints)]
        return self._random.choice(allowed) if allowed else None


AVAILABLE_PROVIDERS[_NAME] = f"{__name__}.{Provider.__name__}"


def attack(
    observe: Callable[..., None],
    domain: Mapping[str, Any],
    *,
    seed: int,
    cases: int,
    shrink: bool,
) -> None:
    """Call ``observe(**case)`` on up to ``cases`` cases; shrink one that raises, and raise it."""
    settings = hypothesis.settings(
        max_examples=cases,
        phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if shrink else ())),
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        backend=_NAME,
        # Slow claims are normal here. The filter check stays on: it is the alarm for a vacuous
        # domain.
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.differing_executors),
    )
    hypothesis.seed(seed)(settings(hypothesis.given(**domain)(observe)))()
