"""An architecture as autoencoders know it: prepared once, used for every batch."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphwsl.neural_graph.roles import ParameterRole
from graphwsl.populations.population import Architecture
from graphwsl.populations.symmetric_views import ViewBank
from graphwsl.representations.behaviour import Behaviour
from graphwsl.representations.scales import LayerScales, as_they_are, whole_numbers
from graphwsl.symmetries import Symmetries, symmetries

LEAST_VARIANCE = 1e-6


@dataclass(eq=False)
class Known:
    """One architecture, with all that its networks have in common.

    Attributes:
        architecture: Its graph.
        mean: What is subtracted from every entry.
        deviation: What every entry is divided by.
        bank: Symmetric copies; None without augmentation.
        behaviour: Runs networks; None where behaviour does not count.
    """

    architecture: Architecture
    mean: Float[Tensor, " entries"]
    deviation: Float[Tensor, " entries"]
    bank: ViewBank | None = None
    behaviour: Behaviour | None = None

    @classmethod
    def of(cls, architecture: Architecture, scales: LayerScales | None) -> "Known":
        """An architecture with the scales of its layers, or with weights as they are.

        Args:
            architecture: The architecture.
            scales: Those of the training networks; None leaves weights as they are.

        Raises:
            RepresentationError: The scales are those of networks of other depths.
        """
        found = as_they_are(architecture) if scales is None else scales.entries(architecture)
        return cls(architecture, *found)

    @cached_property
    def _variances(self) -> Int[Tensor, " some"]:
        """Entries that are variances of batch norms, and therefore positive."""
        found = [
            one.entries
            for one in self.architecture.graph.node_parameters
            if one.role == ParameterRole.VARIANCE
        ]
        return torch.cat([torch.zeros(0, dtype=torch.int64), *found]).unique()

    @cached_property
    def _counts(self) -> Int[Tensor, " some"]:
        """Entries that are whole numbers."""
        return whole_numbers(self.architecture).nonzero()[:, 0]

    @cached_property
    def group(self) -> Symmetries:
        """The symmetries of the architecture."""
        return symmetries(self.architecture.graph)

    def normalise(
        self, rows: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks entries"]:
        """Rows on the scale that autoencoders read."""
        return (rows - self.mean.to(rows.device)) / self.deviation.to(rows.device)

    def restore(self, rows: Float[Tensor, "networks entries"]) -> Float[Tensor, "networks entries"]:
        """The inverse of :meth:`normalise`; variances stay positive, and counts whole."""
        rows = rows * self.deviation.to(rows.device) + self.mean.to(rows.device)
        if len(self._variances):
            variances = self._variances.to(rows.device)
            own = rows.index_select(1, variances).clamp(min=LEAST_VARIANCE)
            rows = rows.index_copy(1, variances, own)
        if len(self._counts):
            counts = self._counts.to(rows.device)
            whole = rows.index_select(1, counts).detach().round().clamp(min=0)
            rows = rows.index_copy(1, counts, whole)
        return rows
