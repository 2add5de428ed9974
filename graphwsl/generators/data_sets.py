"""A data set as a condition: a few labelled samples, in whatever order, become a vector."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.known_data_sets import (
    KnownDataSets,
    Labelled,
    Vector,
    number_of_classes,
    require_labelled,
)
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import MOST_CLASSES

_MOST_FEATURES = 10**6


@dataclass(frozen=True, eq=False)
class DataSets:
    """What training networks learnt from, by the value of a generating factor.

    Attributes:
        name: The factor, such as ``data``.
        samples: Samples and their classes, by the value of the factor; some hundreds of each are
            enough. A generator keeps vectors that describe them, not the samples.
        classes: Number of classes; None for as many as occur.
        features: Random features of a sample.

    Raises:
        GeneratorError: No two data sets, samples of several shapes, not one class for each, classes
            beyond those that there are, or numbers that single precision does not hold.
        InvalidArgumentError: A name that is no text, samples that are no mapping, less than two
            classes, or no features.
    """

    name: str
    samples: Mapping[Scalar, Labelled]
    classes: int | None = None
    features: int = 32

    def __post_init__(self) -> None:
        arguments.text("name", self.name)
        advice = 'give {"mnist": (samples, classes), ...}'
        arguments.instance("samples", self.samples, Mapping, "a mapping", advice)
        if self.classes is not None:
            arguments.whole("classes", self.classes, 2, MOST_CLASSES)
        arguments.whole("features", self.features, 1, _MOST_FEATURES)
        if len(self.samples) < 2:
            raise GeneratorError(
                f"condition {self.name!r} needs samples of at least two data sets, got "
                f"{len(self.samples)}"
            )
        for value, labelled in self.samples.items():
            require_labelled(f"data set {value!r}", labelled)
        shape = next(iter(self.samples.values()))[0].shape[1:]
        for value, labelled in self.samples.items():
            if labelled[0].shape[1:] != shape:
                raise GeneratorError(
                    f"data sets have samples of one shape, got {tuple(shape)} and, of {value!r}, "
                    f"{tuple(labelled[0].shape[1:])}"
                )
            last = int(labelled[1].max())
            if self.classes is not None and last >= self.classes:
                raise GeneratorError(
                    f"data set {value!r} has classes up to {last}, and there are {self.classes}, "
                    f"from 0; choose classes={last + 1}"
                )
        _ = self.known  # which refuses numbers that are too large

    @cached_property
    def known(self) -> KnownDataSets:
        """What a generator keeps of them."""
        classes = self.classes or number_of_classes(self.samples)
        return KnownDataSets.of(self.name, self.samples, classes, self.features)

    def describe(self, labelled: Any) -> Vector:
        """The vector of a data set, which no order of its samples changes.

        Args:
            labelled: Its samples and their classes.

        Raises:
            GeneratorError: Samples of another shape, or a class that there is none of.
        """
        return self.known.describe(labelled)
