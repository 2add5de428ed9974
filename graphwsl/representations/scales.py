"""On which scale weights are read: means and deviations of layers, of training networks alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations.normalisation import LayerNormaliser
from graphwsl.populations.population import Architecture, Population

COUNTS = 1e6
"""Deviation of whole numbers such as counts of batches, which are not to be learnt."""


@dataclass(frozen=True)
class LayerScales:
    """Means and deviations of the layers of every architecture that was learnt from.

    Attributes:
        mean: Mean of each layer, by the digest of the architecture.
        deviation: The same for standard deviations.
    """

    mean: Mapping[str, list[float]]
    deviation: Mapping[str, list[float]]

    @classmethod
    def of(cls, train: Population) -> "LayerScales":
        """The scales of training networks; others are read on the same."""
        means, deviations = {}, {}
        for number in train.kind.unique().tolist():
            architecture = train.architectures[number]
            fitted = LayerNormaliser.fit(train.rows(number), architecture)
            means[architecture.digest] = fitted.mean.tolist()
            deviations[architecture.digest] = fitted.deviation.tolist()
        return cls(means, deviations)

    def entries(
        self, architecture: Architecture
    ) -> tuple[Float[Tensor, " entries"], Float[Tensor, " entries"]]:
        """The mean and the deviation of every entry of an architecture.

        One that was not learnt from, such as one of another width, has the scales of those that
        have as many layers.

        Raises:
            RepresentationError: There is none of that depth.
        """
        nothing = torch.zeros(1, architecture.num_entries)
        layer = LayerNormaliser.fit(nothing, architecture).layer
        depth = int(layer.max()) + 1
        own = architecture.digest
        alike = [own] if own in self.mean else [d for d, m in self.mean.items() if len(m) == depth]
        if not alike:
            known = ", ".join(map(str, sorted({len(mean) for mean in self.mean.values()})))
            raise RepresentationError(
                f"networks {architecture.name!r} have {depth} layers, those that were learnt from "
                f"have {known}; choose a method that normalises tokens or batches"
            )
        mean = torch.tensor([self.mean[digest] for digest in alike]).mean(0)
        squares = torch.tensor([self.deviation[digest] for digest in alike]).square()
        ends = torch.tensor([0.0]), torch.tensor([COUNTS])
        return (
            torch.cat([mean, ends[0]])[layer],
            torch.cat([squares.mean(0).sqrt(), ends[1]])[layer],
        )

    def to_json(self) -> dict[str, Any]:
        """The scales as plain values, for a file."""
        return {"mean": dict(self.mean), "deviation": dict(self.deviation)}

    @classmethod
    def from_json(cls, values: Any) -> "LayerScales":
        """The inverse of :meth:`to_json`."""
        return cls(dict(values["mean"]), dict(values["deviation"]))


def as_they_are(
    architecture: Architecture,
) -> tuple[Float[Tensor, " entries"], Float[Tensor, " entries"]]:
    """Means and deviations that leave weights as they are, and shrink counts."""
    size = architecture.num_entries
    return torch.zeros(size), torch.ones(size).masked_fill(whole_numbers(architecture), COUNTS)


def whole_numbers(architecture: Architecture) -> Bool[Tensor, " entries"]:
    """Which entries are whole numbers, such as counts of batches."""
    graph = architecture.graph
    mask = torch.zeros(architecture.num_entries, dtype=torch.bool)
    for name, start in graph.offsets.items():
        tensor = graph.state[name]
        if not tensor.is_floating_point():
            mask[start : start + tensor.numel()] = True
    return mask
