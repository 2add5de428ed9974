"""Products of vectors with the Hessians of many networks, each with its own."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from graphwsl.errors import LandscapeError
from graphwsl.landscape.objective import Batch, Flat, Objective

Vectors = Float[Tensor, "networks vectors entries"]


class Hessians:
    """The Hessian of the mean loss of every network, which maps vectors to vectors.

    Nothing is approximated: products are gradients of gradients, B. A. Pearlmutter, "Fast exact
    multiplication by the Hessian" (1994). Batch norms keep their running statistics, and nothing
    is dropped.

    Args:
        objective: The losses.
        flat: Where the Hessians are taken: parameters, a row a network.
        buffers: Buffers of all networks.
        layer: Only the parameters whose names begin with it, all others held fixed; None for all.
        keep: Keep what the first derivatives need between products: faster, for more memory.

    Attributes:
        flat: Where they are taken.
        networks: How many there are.
        sizes: Numbers of entries of the parameters that count.
        entries: Rows and columns of a Hessian.

    Raises:
        LandscapeError: No parameter's name begins with ``layer``.
    """

    def __init__(
        self,
        objective: Objective,
        flat: Flat,
        buffers: Sequence[Tensor],
        *,
        layer: str | None = None,
        keep: bool = False,
    ) -> None:
        self.objective, self.flat, self._buffers = objective, flat, buffers
        self._values = [view.detach() for view in objective.views(flat)]
        self._chosen = [
            number for number, name in enumerate(objective.names) if belongs(name, layer)
        ]
        require_layer(layer, objective.names)
        self.networks = len(flat)
        self.sizes = [objective.sizes[number] for number in self._chosen]
        self.entries = sum(self.sizes)
        self._kept: list[tuple[Tensor, Tensor]] | None = [] if keep else None

    def products(self, vectors: Vectors) -> Vectors:
        """The Hessian of every network times each of its vectors.

        Args:
            vectors: Vectors of every network.
        """
        found = torch.zeros_like(vectors)
        for number, batch in enumerate(self.objective.batches):
            share = batch.size / self.objective.samples
            point, gradient = self._derivative(number, batch)
            for index in range(vectors.shape[1]):
                found[:, index] += share * self._product(point, gradient, vectors[:, index])
        return found

    @torch.enable_grad()
    def _derivative(self, number: int, batch: Batch) -> tuple[Tensor, Tensor]:
        """The parameters as a leaf, and the gradient there, which can be differentiated again."""
        if self._kept is not None and number < len(self._kept):
            return self._kept[number]
        values = [self._values[chosen].flatten(1) for chosen in self._chosen]
        point = torch.cat(values, dim=1).requires_grad_()
        parameters = list(self._values)
        for chosen, part in zip(self._chosen, point.split(self.sizes, dim=1), strict=True):
            parameters[chosen] = part.view_as(self._values[chosen])
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            outputs = self.objective.outputs(parameters, self._buffers, batch)
            loss = self.objective.losses(outputs, batch).sum()
        if not loss.requires_grad:
            raise LandscapeError("the loss does not depend on the parameters: it has no gradient")
        (gradient,) = torch.autograd.grad(loss, point, create_graph=True)
        if self._kept is not None:
            self._kept.append((point, gradient))
        return point, gradient

    def _product(self, point: Tensor, gradient: Tensor, vector: Flat) -> Flat:
        if not gradient.requires_grad:  # of a loss that is linear
            return torch.zeros_like(vector)
        (found,) = torch.autograd.grad(
            gradient, point, vector, retain_graph=True, materialize_grads=True
        )
        return found


def require_layer(layer: str | None, names: Sequence[str]) -> None:
    """Refuse a layer that has no parameters.

    Args:
        layer: Name of a layer or of a parameter; None for all.
        names: Names of all parameters.

    Raises:
        LandscapeError: No parameter is of it.
    """
    if not any(belongs(name, layer) for name in names):
        more = " …" if len(names) > 12 else ""
        raise LandscapeError(
            f"the network has no layer {layer!r}; its parameters are {', '.join(names[:12])}{more}"
        )


def belongs(name: str, layer: str | None) -> bool:
    """Whether a parameter is of a layer.

    Args:
        name: Name of the parameter, as ``module_list.0.weight``.
        layer: Name of the layer or of the parameter, as ``module_list.0``; None for all.
    """
    return layer is None or name == layer or name.startswith(f"{layer}.")
