"""The generating factors of one network, as the function that builds it reads them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import nn

from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.activations import ACTIVATIONS
from graphwsl.zoo.inputs import INPUT_FACTORS

LARGEST = {"depth": 2**10, "heads": 2**10, "image_size": 2**13, "patch_size": 2**13}
LARGEST_FACTOR = 2**20
"""Whole factors are at most this, some at most what :data:`LARGEST` says."""

OF_ALL = ("architecture", "activation", "dropout", *INPUT_FACTORS)
"""Factors that every architecture may read: those that every network has, and what it takes."""


class ArchitectureFactors:
    """Reads a configuration, with defaults and bounds.

    Args:
        name: Name of the architecture, for messages.
        configuration: The generating factors.
        declared: The factors that the architecture was registered with, beside those of all; None
            for any.
    """

    def __init__(
        self,
        name: str,
        configuration: Mapping[str, Any],
        declared: Collection[str] | None = None,
    ) -> None:
        self.name, self.configuration, self.declared = name, configuration, declared

    def value(self, key: str, default: Any = None) -> Any:
        """A factor as it is; ``default`` where the configuration has none.

        Raises:
            ZooError: The architecture was registered without it, so that nothing else would know
                that its networks depend on it.
        """
        if self.declared is not None and key not in (*OF_ALL, *self.declared):
            raise ZooError(
                f"architecture {self.name!r} reads the factor {key!r}, which it was registered "
                f"without; register it with factors={{{key!r}: int, …}}"
            )
        found = self.configuration.get(key)
        return default if found is None else found

    def number(self, key: str, default: int, least: int = 1) -> int:
        """A whole factor, such as ``width``; fractions and texts are read by :meth:`value`.

        Raises:
            ZooError: It is no whole number, or outside its range.
        """
        value = self.value(key, default)
        most = LARGEST.get(key, LARGEST_FACTOR)
        whole = isinstance(value, int) and not isinstance(value, bool)
        other = f"a whole number of at least {least} (read fractions by factors.value)"
        self.require(key, value, whole, other)
        self.require(key, value, value >= least, f"at least {least}")
        self.require(key, value, value <= most, f"at most {most:,}")
        return int(value)

    def choice(self, key: str, options: Sequence[str]) -> str:
        """A factor that is one of several words, the first by default.

        Raises:
            ZooError: It is none of them.
        """
        value = self.value(key, options[0])
        self.require(key, value, value in options, f"one of {', '.join(options)}")
        return str(value)

    def require(self, key: str, value: object, holds: bool, what: str) -> None:
        """Check that the value of a factor is right.

        Args:
            key: Its name.
            value: Its value.
            holds: Whether it is right.
            what: What it must be, for the message.

        Raises:
            ZooError: It is not.
        """
        if not holds:
            raise ZooError(f"{key} of {self.name} must be {what}, got {_short(value)}")

    @property
    def inputs(self) -> int:
        """Numbers of a sample: features, or pixels of all channels (28 × 28 by default)."""
        if self.value("in_features") is not None:
            return self.number("in_features", 1)
        if self.value("image_height") is not None:
            area = self.number("image_height", 1) * self.number("image_width", 1)
        else:
            area = self.number("image_size", 28) ** 2
        return self.number("in_channels", 1) * area

    @property
    def classes(self) -> int:
        """Outputs of the network: classes, or numbers that it approximates."""
        return self.number("out_channels", 10)

    @property
    def activation(self) -> str:
        """Name of the activation, see :data:`graphwsl.zoo.architectures.activations.ACTIVATIONS`.

        By default it is ``tanh``.
        """
        name = self.configuration.get("activation") or "tanh"
        self.require(
            "activation", name, str(name) in ACTIVATIONS, f"one of {', '.join(ACTIVATIONS)}"
        )
        return str(name)

    @property
    def dropout(self) -> float:
        """Share of values that is dropped in training; 0 by default."""
        rate = self.configuration.get("dropout") or 0.0
        right = isinstance(rate, int | float) and 0 <= rate < 1
        self.require("dropout", rate, right, "at least 0 and below 1")
        return float(rate)

    def act(self, *, always_drop: bool = True) -> list[nn.Module]:
        """The activation, and the dropout after it.

        Args:
            always_drop: Whether there is a module for dropout where the rate is 0 too.
        """
        rate = self.dropout
        dropout = [nn.Dropout(rate)] if always_drop or rate else []
        return [ACTIVATIONS[self.activation](), *dropout]


def _short(value: object) -> str:
    text = str(value) if isinstance(value, float) else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
