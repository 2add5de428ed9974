"""Checks of what callers give: the wrong kind of value is refused in one line that says what to do.

Modules import it without torch, which is looked for only where values are described.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graphwsl.errors import InvalidArgumentError

_LONGEST = 80


def instance(name: str, value: Any, kind: type | tuple[type, ...], what: str, advice: str) -> None:
    """Refuse a value of another class.

    Args:
        name: Name of the argument.
        value: What was given.
        kind: The class or classes.
        what: The class in words, such as "a torch.nn.Module".
        advice: Where one of it comes from.
    """
    if not isinstance(value, kind):
        raise InvalidArgumentError(f"{name} must be {what}, got {described(value)}; {advice}")


def generator(name: str, value: Any) -> None:
    """Refuse what is neither a generator of random numbers of torch nor None."""
    import torch

    advice = "give torch.Generator().manual_seed(0)"
    instance(name, value, (torch.Generator, type(None)), "a torch.Generator or None", advice)


def rows(name: str, value: Any) -> None:
    """Refuse what is no matrix of real or complex numbers with a row a network."""
    import torch

    advice = "give a row a network, as Population.rows has them"
    what = "a tensor of shape (networks, entries)"
    if not isinstance(value, torch.Tensor) or value.ndim != 2:
        raise InvalidArgumentError(f"{name} must be {what}, got {described(value)}; {advice}")
    if not (value.is_floating_point() or value.is_complex()):
        raise InvalidArgumentError(
            f"{name} must hold weights in floating point, got {value.dtype}; convert them"
        )


def state(value: Any) -> None:
    """Refuse what is no ``state_dict``."""
    advice = "give the state_dict() of a network"
    instance("state", value, Mapping, "a mapping of names to tensors", advice)


def whole(name: str, value: Any, least: int, most: int = sys.maxsize) -> None:
    """Refuse a value that is no integer from ``least`` to ``most``."""
    is_integer = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_integer or getattr(value, "shape", ()) != ():
        raise InvalidArgumentError(f"{name} must be an integer, got {described(value)}")
    if not least <= value <= most:
        within = f"at least {least}" if most == sys.maxsize else f"from {least} to {most}"
        raise InvalidArgumentError(f"{name} must be {within}, got {value}")


def positive(name: str, value: Any) -> None:
    """Refuse a value that is no positive, finite number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0 < value <= sys.float_info.max):
        raise InvalidArgumentError(f"{name} must be positive and finite, got {described(value)}")


def as_path(name: str, value: Any) -> Path:
    """The value as a path.

    Raises:
        InvalidArgumentError: It is neither a text nor a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise InvalidArgumentError(f"{name} must be a path, got {described(value)}")
    return Path(value)


def text(name: str, value: Any) -> None:
    """Refuse a value that is no text."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} must be a text, got {described(value)}")


def listed(name: str, value: Any, kind: type | tuple[type, ...], what: str, advice: str) -> None:
    """Refuse what is no list of values of a class; see :func:`instance`."""
    is_list = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
    if not is_list or hasattr(value, "__array__"):
        raise InvalidArgumentError(
            f"{name} must be a list, each of it {what}, got {described(value)}; {advice}"
        )
    for one in value:
        instance(f"each of {name}", one, kind, what, advice)


def described(value: Any) -> str:
    """What a value is, short enough for one line, whatever it holds."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{_a(type(value).__name__)} of shape {tuple(value.shape)}"
    if value is None or isinstance(value, str | bytes | int | float | complex):
        shown = repr(value[:_LONGEST] if isinstance(value, str | bytes) else value)
        return shown if len(shown) <= _LONGEST + 3 else f"{shown[:_LONGEST]} …"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return _a(type(value).__name__)


def _a(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeio" else f"a {name}"
