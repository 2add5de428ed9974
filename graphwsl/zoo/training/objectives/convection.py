"""Learning an equation instead of labels: a wave that moves on a circle, in one dimension.

The network gives u(x, t) for x from 0 to 2π and t from 0 to 1, and learns ∂u/∂t + β ∂u/∂x = 0 with
u(x, 0) = sin x and u(0, t) = u(2π, t): the convection of Krishnapriyan et al., "Characterizing
possible failure modes in physics-informed neural networks", 2021, which such networks fail to learn
where the speed β is large. The speed of a network is its factor ``signal``, since the labels of
:func:`graphwsl.zoo.convection.convection` are the waves of all speeds.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.convection import LENGTH
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.objectives.objective import Batch, Objective


class Convection(Objective):
    """The squared residual of the equation at a point, and of what holds at the edges.

    A point (x, t) counts with the residual there, the mismatch at (x, 0), and that between both
    ends at t; all with the same weight.
    """

    passes = 4

    def require(self, data: DataSet) -> None:
        """See :class:`Objective`."""
        right = data.sample_shape == (2,) and data.classes is None and data.outputs == 1
        if not right or data.signals is None:
            raise ZooError(
                "the objective 'convection' needs points (x, t) with a number each and signals by "
                "their speed; take the data 'convection'"
            )

    def losses(self, batch: Batch) -> Float[Tensor, "models batch"]:
        """See :class:`Objective`."""
        x, t = batch.samples.unbind(2)
        edges = [
            torch.stack(point, dim=2)
            for point in (
                (x, torch.zeros_like(t)),
                (torch.zeros_like(x), t),
                (torch.full_like(x, LENGTH), t),
            )
        ]
        initial, left, right = batch.outputs(torch.cat(edges, dim=1))[:, 0].chunk(3, dim=1)
        residual = self._residual(batch)
        return residual.square() + (initial - x.sin()).square() + (left - right).square()

    def measured(self, batch: Batch) -> dict[str, Float[Tensor, "models batch"]]:
        """The squared distance to the wave itself, which is not learned from."""
        found = batch.outputs(batch.samples)[:, 0]
        return {"squared_error": (found - batch.labels[:, :, 0]).square()}

    def _residual(self, batch: Batch) -> Float[Tensor, "models batch"]:
        learns = torch.is_grad_enabled()
        with torch.enable_grad():
            points = batch.samples.detach().clone().requires_grad_()
            found = batch.outputs(points)
            # What a network gives at a point depends on no other point.
            (slope,) = torch.autograd.grad(found.sum(), points, create_graph=learns)
        return slope[:, :, 1] + batch.signals[:, None] * slope[:, :, 0]
