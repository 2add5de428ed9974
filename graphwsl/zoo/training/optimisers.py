"""Optimisers of a population: one step moves all networks, each by its own learning rate.

The state is one long vector, parameter after parameter and within it network after network, so
that a step is a handful of operations however many parameters there are.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import ClassVar, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

Flat = Float[Tensor, " numbers"]
PerModel = Float[Tensor, " models"]


class Parameters:
    """The parameters of a population as one vector and as views of it.

    Args:
        initial: Each parameter of all networks, stacked. Shape ``(models, ...)``.
    """

    def __init__(self, initial: Sequence[Tensor]) -> None:
        self.models = len(initial[0])
        self.shapes = [parameter.shape for parameter in initial]
        self.flat = torch.cat([parameter.reshape(-1) for parameter in initial])
        parts = self.flat.split([shape.numel() for shape in self.shapes])
        self.views = [
            part.view(shape).requires_grad_()
            for part, shape in zip(parts, self.shapes, strict=True)
        ]

    def spread(self, values: PerModel) -> Flat:
        """A number of each network, at every entry of its parameters."""
        parts = [
            values[:, None].expand(-1, shape.numel() // self.models).reshape(-1)
            for shape in self.shapes
        ]
        return torch.cat(parts)

    def hold(self, numbers: Collection[int]) -> None:
        """Take the gradients of some parameters, given by their numbers, for zero from now on."""
        for number in numbers:
            self.views[number].requires_grad_(False)

    def gradient(self, loss: Float[Tensor, ""]) -> Flat:
        """The gradient of a sum over networks, in the order of :attr:`flat`."""
        moving = [view for view in self.views if view.requires_grad]
        found = iter(torch.autograd.grad(loss, moving) if moving else ())
        parts = [
            next(found) if view.requires_grad else torch.zeros_like(view) for view in self.views
        ]
        return torch.cat([part.reshape(-1) for part in parts])


class Optimiser(Protocol):
    """Moves parameters against their gradient."""

    def step(self, gradient: Flat) -> None:
        """Change the parameters in place; ``gradient`` may be overwritten."""
        ...


class Adam:
    """Adam with L2 regularisation in the gradient, as ``torch.optim.Adam`` with its defaults.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015; β = (0.9, 0.999), ε = 1e-8.

    Args:
        parameters: Parameters of the population.
        learning_rate: Learning rate of each network.
        weight_decay: Weight decay of each network.
    """

    betas: ClassVar = (0.9, 0.999)
    epsilon: ClassVar = 1e-8

    def __init__(
        self, parameters: Parameters, learning_rate: PerModel, weight_decay: PerModel
    ) -> None:
        self.theta = parameters.flat
        self.rate = -parameters.spread(learning_rate)
        self.decay = parameters.spread(weight_decay) if weight_decay.any() else None
        self.mean = torch.zeros_like(self.theta)
        self.square = torch.zeros_like(self.theta)
        self.steps = 0

    def step(self, gradient: Flat) -> None:
        """See :class:`Optimiser`."""
        self.steps += 1
        first, second = self.betas
        if self.decay is not None:
            gradient.addcmul_(self.decay, self.theta)
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        scale = math.sqrt(1 - second**self.steps)
        denominator = self.square.sqrt().div_(scale).add_(self.epsilon)
        step = self.mean / denominator
        self.theta.addcmul_(self.rate, step, value=1 / (1 - first**self.steps))


class AdamW(Adam):
    """Adam whose weight decay does not pass through its averages, as ``torch.optim.AdamW``.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    def __init__(
        self, parameters: Parameters, learning_rate: PerModel, weight_decay: PerModel
    ) -> None:
        super().__init__(parameters, learning_rate, weight_decay.new_zeros(weight_decay.shape))
        self.shrink = 1 - parameters.spread(learning_rate * weight_decay)

    def step(self, gradient: Flat) -> None:
        """See :class:`Optimiser`."""
        self.theta.mul_(self.shrink)
        super().step(gradient)


class Momentum:
    """Gradient descent with momentum 0.9 and L2 regularisation, as ``torch.optim.SGD``.

    Args:
        parameters: Parameters of the population.
        learning_rate: Learning rate of each network.
        weight_decay: Weight decay of each network.
    """

    momentum: ClassVar = 0.9

    def __init__(
        self, parameters: Parameters, learning_rate: PerModel, weight_decay: PerModel
    ) -> None:
        self.theta = parameters.flat
        self.rate = -parameters.spread(learning_rate)
        self.decay = parameters.spread(weight_decay) if weight_decay.any() else None
        self.velocity = torch.zeros_like(self.theta)

    def step(self, gradient: Flat) -> None:
        """See :class:`Optimiser`."""
        if self.decay is not None:
            gradient.addcmul_(self.decay, self.theta)
        self.velocity.mul_(self.momentum).add_(gradient)
        self.theta.addcmul_(self.rate, self.velocity)


OPTIMISERS: dict[str, Callable[[Parameters, PerModel, PerModel], Optimiser]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": Momentum,
}
"""One line an optimiser."""
