"""Figures that many rules ask for are computed once per spec: a frozen spec is its own key."""

from collections.abc import Callable
from functools import lru_cache
from typing import cast

MOST_KEPT = 64
"""Results that are kept; the search for cures tries spec after spec and comes back only to the last few."""


def cached_by_spec[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Remember a pure function's latest results by its arguments: a spec, and what else can be hashed."""
    # Type checkers do not see the hash that pydantic gives a frozen model.
    return cast(Callable[P, R], lru_cache(maxsize=MOST_KEPT)(function))
