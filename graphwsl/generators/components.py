"""Principal components of networks: few numbers for what varies most."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """An orthonormal basis of what varies; make one with :meth:`fit`.

    Attributes:
        mean: Mean of all rows, shape ``(entries,)``.
        directions: Orthonormal, of most variance first, shape ``(components, entries)``.
        deviation: Standard deviation along each, shape ``(components,)``.
    """

    mean: Float[Tensor, " entries"]
    directions: Float[Tensor, "components entries"]
    deviation: Float[Tensor, " components"]

    @classmethod
    def fit(cls, rows: Float[Tensor, "networks entries"], count: int) -> "PrincipalComponents":
        """The components of rows, of which there are fewer than rows.

        Args:
            rows: At least two.
            count: How many components, at most; as many as there are where it is more.

        Raises:
            InvalidArgumentError: Fewer than two rows, or no components.
        """
        arguments.whole("rows", len(rows), 2)
        arguments.whole("count", count, 1)
        count = min(count, len(rows) - 1, rows.shape[1])
        mean = rows.double().mean(dim=0)
        _, lengths, directions = torch.linalg.svd(rows - mean, full_matrices=False)
        deviation = lengths[:count] / (len(rows) - 1) ** 0.5
        return cls(*(some.to(rows) for some in (mean, directions[:count], deviation)))

    def scores(
        self, rows: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks components"]:
        """The coordinates of rows."""
        return (rows - self.mean) @ self.directions.T

    def rows(
        self, scores: Float[Tensor, "networks components"]
    ) -> Float[Tensor, "networks entries"]:
        """The rows at coordinates, which are affine combinations of those of the fit."""
        return self.mean + scores @ self.directions
