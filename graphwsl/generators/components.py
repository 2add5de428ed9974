"""Principal components of networks: few numbers for what varies most."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments


class PrincipalComponents(nn.Module):
    """An orthonormal basis of what varies in rows.

    Args:
        components: How many directions.
        entries: Length of a row.

    Attributes:
        mean: Mean of all rows, shape ``(entries,)``.
        directions: Orthonormal, of most variance first, shape ``(components, entries)``.
        deviation: Standard deviation along each, shape ``(components,)``.
    """

    mean: Tensor
    directions: Tensor
    deviation: Tensor

    def __init__(self, components: int, entries: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(entries))
        self.register_buffer("directions", torch.zeros(components, entries))
        self.register_buffer("deviation", torch.ones(components))

    @classmethod
    def fit(cls, rows: Float[Tensor, "networks entries"], count: int) -> "PrincipalComponents":
        """The components of rows, of which there are fewer than rows.

        Args:
            rows: At least two.
            count: How many components; where there are fewer, as many as there are.

        Raises:
            InvalidArgumentError: Fewer than two rows, or no components.
        """
        arguments.whole("rows", len(rows), 2)
        arguments.whole("count", count, 1)
        made = cls(min(count, len(rows) - 1, rows.shape[1]), rows.shape[1])
        mean = rows.double().mean(dim=0)
        _, lengths, directions = torch.linalg.svd(rows - mean, full_matrices=False)
        size = len(made.deviation)
        deviation = lengths[:size] / (len(rows) - 1) ** 0.5
        # Contiguous as what is loaded, lest products differ in their last bits.
        made.mean, made.directions, made.deviation = (
            some.float().contiguous() for some in (mean, directions[:size], deviation)
        )
        return made

    def scores(
        self, rows: Float[Tensor, "networks entries"]
    ) -> Float[Tensor, "networks components"]:
        """The coordinates of rows.

        Args:
            rows: Rows of the same length.
        """
        return (rows - self.mean) @ self.directions.T

    def rows(
        self, scores: Float[Tensor, "networks components"]
    ) -> Float[Tensor, "networks entries"]:
        """The rows at coordinates, which are affine combinations of those of the fit.

        Args:
            scores: Coordinates.
        """
        return self.mean + scores @ self.directions
