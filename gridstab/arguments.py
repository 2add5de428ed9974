"""Checks of what callers give: the wrong kind of value is refused like one outside its range."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.names import unknown
from gridstab.errors import InvalidParameterError

MOST_NODES = 10**7
"""Nodes of a grid that is made from its number of nodes."""


def at_least(name: str, value: Any, least: int) -> None:
    """Refuse a value that is not an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidParameterError(f"{name} must be an integer, got {shortened(value)}")
    if value < least:
        raise InvalidParameterError(f"{name} must be at least {least}, got {value}")


def at_most(name: str, value: float, most: float, unit: str = "") -> None:
    """Refuse a number above ``most``."""
    if value > most:
        raise InvalidParameterError(
            f"{name} must be at most {most:,}{unit}, got {shortened(value)}"
        )


def whole(name: str, value: Any, least: int, most: int) -> None:
    """Refuse a value that is no integer from ``least`` to ``most``."""
    at_least(name, value, least)
    at_most(name, value, most)


def at_least_zero(name: str, value: Any) -> None:
    """Refuse a value that is no finite number from 0."""
    if not (_is_number(value) and 0 <= value < np.inf):
        raise InvalidParameterError(
            f"{name} must be finite and not negative, got {shortened(value)}"
        )


def between(name: str, value: Any, least: float, most: float) -> None:
    """Refuse a value that is no number from ``least`` to ``most``."""
    if not (_is_number(value) and least <= value <= most):
        raise InvalidParameterError(
            f"{name} must be a number from {least:g} to {most:g}, got {shortened(value)}"
        )


def positive(name: str, value: Any) -> None:
    """Refuse a value that is not a positive, finite number."""
    if not (_is_number(value) and 0 < value < np.inf):
        raise InvalidParameterError(f"{name} must be positive and finite, got {shortened(value)}")


def ascending(name: str, value: Any) -> tuple[float, float]:
    """A pair of finite numbers, the smaller first.

    Raises:
        InvalidParameterError: It is none.
    """
    is_pair = isinstance(value, Sequence | np.ndarray) and np.shape(value) == (2,)
    if not (is_pair and all(map(_is_number, value)) and -np.inf < value[0] < value[1] < np.inf):
        raise InvalidParameterError(
            f"{name} must be two finite numbers, the smaller first, got {shortened(value)}"
        )
    return float(value[0]), float(value[1])


def one_of(name: str, value: Any, choices: Collection[str]) -> None:
    """Refuse a value that is none of some texts."""
    if not (isinstance(value, str) and value in choices):
        raise InvalidParameterError(unknown(name, value, choices))


def instance(name: str, value: Any, kind: type, advice: str) -> None:
    """Refuse a value of another class; ``advice`` says where one of it comes from."""
    if not isinstance(value, kind):
        raise InvalidParameterError(
            f"{name} must be a {kind.__name__}, got {shortened(value)}; {advice}"
        )


def as_path(name: str, value: Any) -> Path:
    """The value as a path.

    Raises:
        InvalidParameterError: It is neither a text nor a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise InvalidParameterError(f"{name} must be a path, got {shortened(value)}")
    return Path(value)


def shortened(value: Any) -> str:
    """The value as Python writes it, short enough for one line."""
    text = " ".join(repr(value[:80] if isinstance(value, str) else value).split())
    return text if len(text) <= 80 else f"{text[:80]} …"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
