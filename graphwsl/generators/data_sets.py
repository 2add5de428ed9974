"""A data set as a condition: a few labelled samples, in whatever order, become a vector.

What is read is the mean of random Fourier features of the samples of each class, an embedding of
the distribution that samples come from: Rahimi, Recht (2007); Muandet et al. (2017). It has the
same length for any number of samples. What follows from it is learnt by the module that hears it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import one_hot

from graphwsl.errors import GeneratorError
from graphwsl.zoo.checkpoint import Scalar

Labelled = tuple[Float[Tensor, "samples *sample"], Int[Tensor, " samples"]]
"""Samples and the class of each, from 0."""


@dataclass(frozen=True, eq=False)
class DataSets:
    """What training networks learnt from, by the value of a generating factor.

    Attributes:
        name: The factor, such as ``data``.
        samples: Samples and their classes, by the value of the factor; they are kept in the file of
            a generator, and some hundreds of each are enough.
        classes: Number of classes; None for as many as occur.
        features: Random features of a sample.

    Raises:
        GeneratorError: No two data sets, samples of several shapes, not one class for each, or
            numbers that are not finite.
    """

    name: str
    samples: Mapping[Scalar, Labelled]
    classes: int | None = None
    features: int = 32

    def __post_init__(self) -> None:
        if len(self.samples) < 2:
            raise GeneratorError(
                f"condition {self.name!r} needs samples of at least two data sets, got "
                f"{len(self.samples)}"
            )
        shape = next(iter(self.samples.values()))[0].shape[1:]
        for value, labelled in self.samples.items():
            require_labelled(f"data set {value!r}", labelled)
            if labelled[0].shape[1:] != shape:
                raise GeneratorError(
                    f"data sets have samples of one shape, got {tuple(shape)} and, of {value!r}, "
                    f"{tuple(labelled[0].shape[1:])}"
                )

    @property
    def size(self) -> int:
        """Numbers of a sample."""
        return next(iter(self.samples.values()))[0][0].numel()

    @cached_property
    def num_classes(self) -> int:
        """Classes that are told apart."""
        return self.classes or 1 + max(int(y.max()) for _, y in self.samples.values())

    @property
    def channels(self) -> int:
        """Numbers of a description: features of every class, and its share."""
        return self.num_classes * (self.features + 1)

    def describe(self, labelled: Any) -> Float[Tensor, " channels"]:
        """The vector of a data set, which no order of its samples changes.

        Args:
            labelled: Its samples and their classes.

        Raises:
            GeneratorError: Samples of another shape, or a class that there is none of.
        """
        require_labelled(f"condition {self.name!r}", labelled)
        x, y = labelled
        if x[0].numel() != self.size or int(y.max()) >= self.num_classes:
            raise GeneratorError(
                f"condition {self.name!r} takes samples of {self.size} numbers and of "
                f"{self.num_classes} classes, got {x[0].numel()} and {int(y.max()) + 1}"
            )
        centre, spread = self._scale
        return (self._embedded(x, y) - centre) / spread

    def of_value(self, value: Scalar) -> Float[Tensor, " channels"]:
        """The vector of a data set by its name.

        Raises:
            GeneratorError: There is none of that name.
        """
        if value not in self.samples:
            known = ", ".join(map(str, self.samples))
            raise GeneratorError(
                f"condition {self.name!r} is a pair (samples, classes) or one of {known}, "
                f"got {value!r}"
            )
        return self._described[value]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        samples = [[value, list(x.shape), x.flatten().tolist(), y.tolist()]
                   for value, (x, y) in self.samples.items()]  # fmt: skip
        return {"name": self.name, "samples": samples, "classes": self.classes,
                "features": self.features}  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DataSets":
        """The inverse of :meth:`to_json`.

        Args:
            values: What it gave.
        """
        samples = {value: (torch.tensor(x).view(shape), torch.tensor(y))
                   for value, shape, x, y in values["samples"]}  # fmt: skip
        return cls(values["name"], samples, values["classes"], int(values["features"]))

    @cached_property
    def _described(self) -> dict[Scalar, Tensor]:
        return {value: self.describe(labelled) for value, labelled in self.samples.items()}

    @cached_property
    def _waves(self) -> tuple[Tensor, Tensor]:
        """Frequencies and phases; a wave is as long as samples are apart."""
        generator = torch.Generator().manual_seed(0)
        some = torch.cat([x.flatten(1)[:64] for x, _ in self.samples.values()])[:512]
        apart = float(torch.pdist(some.float()).median()) or 1.0
        frequencies = torch.randn(self.size, self.features, generator=generator) / apart
        return frequencies, 2 * torch.pi * torch.rand(self.features, generator=generator)

    @cached_property
    def _scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of every number over data sets, none far below the others'."""
        all_of_them = torch.stack([self._embedded(x, y) for x, y in self.samples.values()])
        spread = all_of_them.std(0, correction=0)
        return all_of_them.mean(0), spread.clamp(min=0.1 * float(spread.max()) + 1e-6)

    def _embedded(self, x: Tensor, y: Tensor) -> Tensor:
        # In double precision no order of a sum is seen in the result.
        frequencies, phases = self._waves
        waves = (x.flatten(1).float() @ frequencies + phases).cos().double()
        classes = one_hot(y.long(), self.num_classes).double()
        means = classes.T @ waves / classes.sum(0).clamp(min=1)[:, None]
        return torch.cat([means.flatten(), classes.mean(0)]).float()


def require_labelled(what: str, labelled: Any) -> None:
    """Refuse what is no labelled sample.

    Args:
        what: What it is of, for the message.
        labelled: A pair of samples and their classes.

    Raises:
        GeneratorError: It is none.
    """
    advice = "give a pair (samples, classes) of tensors, a class from 0 for each sample"
    is_pair = isinstance(labelled, tuple) and len(labelled) == 2
    if not is_pair or not all(isinstance(one, Tensor) for one in labelled):
        raise GeneratorError(f"{what} is {type(labelled).__name__}; {advice}")
    x, y = labelled
    if not _fits(x, y):
        raise GeneratorError(
            f"{what} has samples {tuple(x.shape)} and classes {tuple(y.shape)} of {y.dtype}; "
            f"{advice}"
        )
    if not bool(x.isfinite().all()):
        raise GeneratorError(f"{what} has samples that are not finite; leave them out")


def _fits(x: Shaped[Tensor, "..."], y: Shaped[Tensor, "..."]) -> bool:
    if x.ndim < 2 or y.ndim != 1 or len(x) != len(y) or not len(y):
        return False
    return not y.is_floating_point() and not y.is_complex() and int(y.min()) >= 0
