"""What a generator keeps of data sets: how samples become a vector, and the vectors of those known.

What is read is the mean of random Fourier features of the samples of each class, an embedding of
the distribution that samples come from: Rahimi, Recht (2007); Muandet et al. (2017). It has the
same length for any number of samples. What follows from it is learnt by the module that hears it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import one_hot

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.zoo.checkpoint import Scalar

Labelled = tuple[Float[Tensor, "samples *sample"], Int[Tensor, " samples"]]
"""Samples and the class of each, from 0."""
Vector = Float[Tensor, " channels"]

_APART_OF = 512
"""Samples between which distances are taken, at most 64 of a data set."""
_TOO_LARGE = "too large for single precision; scale them, to deviation 1 say"


@dataclass(frozen=True, eq=False)
class KnownDataSets:
    """Data sets by the value of a generating factor, as vectors; no sample is kept.

    Attributes:
        name: The factor, such as ``data``.
        size: Numbers of a sample.
        classes: Number of classes.
        features: Random features of a sample.
        apart: Median distance of samples, the length of a wave.
        center: Mean vector of the data sets.
        spread: Deviation of each number over data sets, none far below the others'.
        vectors: Those of the data sets, by the value of the factor.
    """

    name: str
    size: int
    classes: int
    features: int
    apart: float
    center: Vector
    spread: Vector
    vectors: Mapping[Scalar, Vector]

    @classmethod
    def of(
        cls, name: str, samples: Mapping[Scalar, Labelled], classes: int, features: int
    ) -> "KnownDataSets":
        """What samples tell.

        Args:
            name: The factor.
            samples: Samples and their classes, by the value of the factor.
            classes: Number of classes.
            features: Random features of a sample.

        Raises:
            GeneratorError: Samples that are too large for their distances.
        """
        size = next(iter(samples.values()))[0][0].numel()
        some = torch.cat([x.flatten(1)[:64] for x, _ in samples.values()])[:_APART_OF]
        apart = float(torch.pdist(some.float()).median()) or 1.0
        if not math.isfinite(apart):
            raise GeneratorError(f"data of {name!r} are {_TOO_LARGE}")
        nothing = torch.zeros(0)
        waves = cls(name, size, classes, features, apart, nothing, nothing, {})
        plain = torch.stack([waves._embedded(x, y) for x, y in samples.values()])
        center, spread = plain.mean(0), plain.std(0, correction=0)
        spread = spread.clamp(min=0.1 * float(spread.max()) + 1e-6)
        vectors = dict(zip(samples, (plain - center) / spread, strict=True))
        return cls(name, size, classes, features, apart, center, spread, vectors)

    @property
    def channels(self) -> int:
        """Numbers of a vector: features of every class, and its share."""
        return self.classes * (self.features + 1)

    def describe(self, labelled: Any) -> Vector:
        """The vector of a data set, which no order of its samples changes.

        Args:
            labelled: Its samples and their classes.

        Raises:
            GeneratorError: Samples of another shape, too large, or a class that there is none of.
        """
        require_labelled(f"condition {self.name!r}", labelled)
        x, y = labelled
        if x[0].numel() != self.size or int(y.max()) >= self.classes:
            raise GeneratorError(
                f"condition {self.name!r} takes samples of {self.size} numbers and of "
                f"{self.classes} classes, got {x[0].numel()} and {int(y.max()) + 1}"
            )
        return (self._embedded(x, y) - self.center) / self.spread

    def of_value(self, value: Scalar) -> Vector:
        """The vector of a data set by its name.

        Raises:
            GeneratorError: There is none of that name.
        """
        if value not in self.vectors:
            known = ", ".join(map(str, self.vectors))
            raise GeneratorError(
                f"condition {self.name!r} is a pair (samples, classes) or one of {known}, "
                f"got {arguments.described(value)}"
            )
        return self.vectors[value]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        values = {n: getattr(self, n) for n in ("name", "size", "classes", "features", "apart")}
        vectors = [[value, vector.tolist()] for value, vector in self.vectors.items()]
        return {**values, "center": self.center.tolist(), "spread": self.spread.tolist(),
                "vectors": vectors}  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "KnownDataSets":
        """The inverse of :meth:`to_json`; files of old hold the samples themselves.

        Args:
            values: What it gave.

        Raises:
            LookupError, TypeError, ValueError: Data sets that cannot be.
        """
        name, features = str(values["name"]), int(values["features"])
        if "samples" in values:
            samples = {value: (torch.tensor(x).view(shape), torch.tensor(y))
                       for value, shape, x, y in values["samples"]}  # fmt: skip
            classes = values["classes"] or number_of_classes(samples)
            return cls.of(name, samples, int(classes), features)
        size, classes, apart = int(values["size"]), int(values["classes"]), float(values["apart"])
        vectors = {value: _vector(vector) for value, vector in values["vectors"]}
        center, spread = _vector(values["center"]), _vector(values["spread"])
        found = cls(name, size, classes, features, apart, center, spread, vectors)
        found._require_whole()
        return found

    def _require_whole(self) -> None:
        """Refuse what fits together in no file that was written."""
        if min(self.size, self.classes, self.features) < 1 or self.apart <= 0:
            raise ValueError("data sets have sizes and a distance that are not positive")
        lengths = {len(one) for one in (self.center, self.spread, *self.vectors.values())}
        if not self.vectors or lengths != {self.channels}:
            raise ValueError(f"data sets have vectors that are not of {self.channels} numbers")
        if not bool((self.spread > 0).all()):
            raise ValueError("data sets have a spread that is not positive")

    @cached_property
    def _waves(self) -> tuple[Tensor, Tensor]:
        """Frequencies and phases."""
        generator = torch.Generator().manual_seed(0)
        frequencies = torch.randn(self.size, self.features, generator=generator) / self.apart
        return frequencies, 2 * torch.pi * torch.rand(self.features, generator=generator)

    def _embedded(self, x: Tensor, y: Tensor) -> Tensor:
        # In double precision no order of a sum is seen in the result.
        frequencies, phases = self._waves
        waves = (x.flatten(1).float() @ frequencies + phases).cos().double()
        if not bool(waves.isfinite().all()):
            raise GeneratorError(f"data of {self.name!r} are {_TOO_LARGE}")
        classes = one_hot(y.long(), self.classes).double()
        means = classes.T @ waves / classes.sum(0).clamp(min=1)[:, None]
        return torch.cat([means.flatten(), classes.mean(0)]).float()


def _vector(numbers: Any) -> Vector:
    """Numbers of a file."""
    vector = torch.tensor(numbers, dtype=torch.float32)
    if vector.ndim != 1:
        raise ValueError(f"data sets have a vector of shape {tuple(vector.shape)}")
    return vector


def number_of_classes(samples: Mapping[Scalar, Labelled]) -> int:
    """Classes that occur.

    Args:
        samples: Samples and their classes.
    """
    return 1 + max(int(y.max()) for _, y in samples.values())


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
    if not bool(x.float().isfinite().all()):  # as they are read
        raise GeneratorError(
            f"{what} has samples that are not finite in single precision; leave them out"
        )


def _fits(x: Shaped[Tensor, "..."], y: Shaped[Tensor, "..."]) -> bool:
    if x.is_complex() or x.ndim < 2 or y.ndim != 1 or len(x) != len(y) or not len(y):
        return False
    return not y.is_floating_point() and not y.is_complex() and int(y.min()) >= 0
