"""An architecture as autoencoders know it: prepared once, used for every batch."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations.normalisation import LayerNormaliser
from graphwsl.populations.population import Architecture, Function
from graphwsl.populations.symmetric_views import ViewBank
from graphwsl.representations.behaviour import Behaviour
from graphwsl.symmetries import Symmetries, symmetries

COUNTS = 1e6
"""Deviation of whole numbers such as counts of batches, which are not to be learnt."""

LEAST_VARIANCE = 1e-6


@dataclass(eq=False)
class Known:
    """One architecture.

    Attributes:
        architecture: Its graph.
        mean: What is subtracted from every entry.
        deviation: What every entry is divided by.
        function: What networks of it do; None where only weights are looked at.
        bank: Symmetric copies; None without augmentation.
        behaviour: Runs networks; None where behaviour does not count.
    """

    architecture: Architecture
    mean: Float[Tensor, " entries"]
    deviation: Float[Tensor, " entries"]
    function: Function | None = None
    bank: ViewBank | None = None
    behaviour: Behaviour | None = None
    _group: Symmetries | None = field(default=None, repr=False)

    @classmethod
    def of(cls, architecture: Architecture, scales: dict[str, list[float]] | None) -> "Known":
        """An architecture with the scales of its layers, or with weights as they are.

        Args:
            architecture: The architecture.
            scales: ``mean`` and ``deviation`` of each layer; None leaves weights as they are.

        Raises:
            RepresentationError: The scales are those of networks of another depth.
        """
        size = architecture.num_entries
        if scales is None:
            mean, deviation = torch.zeros(size), torch.ones(size)
            return cls(architecture, mean, deviation.masked_fill(_counts(architecture), COUNTS))
        some = torch.zeros(1, size)
        layer = LayerNormaliser.fit(some, architecture).layer
        if int(layer.max()) + 1 != len(scales["mean"]):
            raise RepresentationError(
                f"networks {architecture.name!r} have {int(layer.max()) + 1} layers, those that "
                f"were learnt from had {len(scales['mean'])}; choose a method that normalises "
                "tokens or batches"
            )
        mean = torch.tensor([*scales["mean"], 0.0])[layer]
        return cls(architecture, mean, torch.tensor([*scales["deviation"], COUNTS])[layer])

    @cached_property
    def _variances(self) -> Int[Tensor, " some"]:
        """Entries that are variances of batch norms, and therefore positive."""
        found = [
            one.entries for one in self.architecture.graph.node_parameters if one.role == "variance"
        ]
        return torch.cat([torch.zeros(0, dtype=torch.int64), *found]).unique()

    @property
    def group(self) -> Symmetries:
        """The symmetries of the architecture."""
        if self._group is None:
            self._group = symmetries(self.architecture.graph)
        return self._group

    def normalise(
        self, rows: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks entries"]:
        """Rows on the scale that autoencoders read."""
        return (rows - self.mean.to(rows.device)) / self.deviation.to(rows.device)

    def restore(self, rows: Float[Tensor, "networks entries"]) -> Float[Tensor, "networks entries"]:
        """The inverse of :meth:`normalise`."""
        rows = rows * self.deviation.to(rows.device) + self.mean.to(rows.device)
        if not len(self._variances):
            return rows
        own = rows[:, self._variances].clamp(min=LEAST_VARIANCE)
        return rows.index_copy(1, self._variances, own)


def _counts(architecture: Architecture) -> Bool[Tensor, " entries"]:
    """Which entries are whole numbers."""
    graph = architecture.graph
    mask = torch.zeros(architecture.num_entries, dtype=torch.bool)
    for name, start in graph.offsets.items():
        tensor = graph.state[name]
        if not tensor.is_floating_point():
            mask[start : start + tensor.numel()] = True
    return mask
