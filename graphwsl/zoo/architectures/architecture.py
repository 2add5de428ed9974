"""An architecture of zoos: a function of generating factors, registered with those that it reads.

What else has to know factors takes them from here: the fields of a recipe, which networks train
together, which of them begin alike, and what of a configuration a network depends on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field
from torch import nn

from gnncore.registry import Registry
from graphwsl.errors import ZooError
from graphwsl.zoo.architectures.factors import (
    LARGEST,
    LARGEST_FACTOR,
    OF_ALL,
    ArchitectureFactors,
)

Make = Callable[[ArchitectureFactors], nn.Module]


def _whole(name: str, least: int = 1) -> Any:
    return Annotated[int, Field(ge=least, le=LARGEST.get(name, LARGEST_FACTOR))]


SHARED: dict[str, Any] = {name: _whole(name) for name in ("width", "depth", "patch_size", "heads")}
"""Factors that several architectures have, by name, and what they may be."""


@dataclass(frozen=True)
class Architecture:
    """How networks of one name are built, and from what.

    Attributes:
        name: Its name in the registry.
        make: Builds one from its factors.
        factors: Those that it reads, beside those of all
            (:data:`graphwsl.zoo.architectures.factors.OF_ALL`), with their types.
        head: The module that reads out, which fine-tuning makes anew; None where there is none.
    """

    name: str
    make: Make
    factors: Mapping[str, Any]
    head: str | None = None


ARCHITECTURES: Registry[Architecture] = Registry(
    "architecture", ZooError, more=", or import the module that registers it (--import)"
)
"""All architectures by name; add others by :func:`register_architecture`."""

FACTOR_TYPES: dict[str, Any] = {}
"""Factors that some architecture was registered with, and what they may be."""

FACTORS: list[str] = list(OF_ALL)
"""Names of all factors that a network may depend on, :data:`FACTOR_TYPES` included."""

OF_TRAINING = (
    *("seed", "initialisation", "optimiser", "learning_rate", "weight_decay"),
    *("data_fraction", "label_noise", "batch_size", "signal"),
    *("objective", "frozen", "parent"),
)
"""Factors that belong to the training, which no architecture may take for its own."""


def register_architecture(
    *names: str, factors: Mapping[str, Any] | None = None, head: str | None = None
) -> Callable[[Make], Make]:
    """Decorate a function that builds a network from its factors, to be known by a name.

    >>> @register_architecture("bottleneck", factors={"width": int, "narrow": int})
    ... def bottleneck(factors: ArchitectureFactors) -> nn.Module:
    ...     width, narrow = factors.number("width", 32), factors.number("narrow", 4)
    ...     layers = [nn.Linear(factors.inputs, width), *factors.act(), nn.Linear(width, narrow)]
    ...     return nn.Sequential(nn.Flatten(), *layers, nn.Linear(narrow, factors.classes))

    The module in which it is registered can be named to ``graphwsl … --import``.

    Args:
        *names: Under which it is known; ``factors.name`` tells the function which was asked for.
        factors: The factors that it reads beside those that every network has (``activation``,
            ``dropout`` and what the data say), each with its type: ``int``, ``float``, ``str``,
            ``bool``, or whatever Pydantic understands. None for ``width``, ``depth``,
            ``patch_size`` and ``heads``.
        head: Path of the module that reads out, such as ``fc``. Networks of an architecture that
            names one can be pretrained for others of the same factors; only those whose names
            begin with ``head_`` may differ, and shape the head alone.

    Raises:
        ZooError: A name is taken, a factor is one of the training, or has another type elsewhere.
    """
    own = {
        name: SHARED.get(name, _bounded(name, kind))
        for name, kind in (SHARED if factors is None else factors).items()
    }
    for name, kind in own.items():
        if name in OF_ALL or name in OF_TRAINING:
            raise ZooError(f"the factor {name!r} belongs to every network; choose another name")
        if repr(FACTOR_TYPES.get(name, kind)) != repr(kind):
            raise ZooError(
                f"the factor {name!r} is of another type in another architecture; choose "
                "another name"
            )

    def register(make: Make) -> Make:
        for name in names:
            ARCHITECTURES.add(name, Architecture(name, make, own, head), defined=make)
        FACTORS.extend(name for name in own if name not in FACTORS)
        FACTOR_TYPES.update(own)
        return make

    return register


def _bounded(name: str, kind: Any) -> Any:
    """A type with bounds where it is that of whole numbers."""
    return _whole(name, -LARGEST_FACTOR) if kind is int else kind
