"""Ways from one network to another, and how the loss changes along them.

Lines, and curves of second order of low loss: T. Garipov, P. Izmailov, D. Podoprikhin, D. Vetrov,
A. G. Wilson, "Loss surfaces, mode connectivity, and fast ensembling of DNNs" (2018). No layer is
rewritten: a network is a function of its parameters, and those of a point of the curve are a sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.landscape.objective import Flat, Objective, single_samples_refused

Kind = Literal["line", "curve"]
Along = Float[Tensor, "pairs points"]


@dataclass(frozen=True)
class CurveTraining:
    """How the middle point of a curve is found: gradient descent with momentum.

    Attributes:
        steps: Steps, each at a point of the curve that is drawn evenly for each pair.
        learning_rate: Constant for half of the steps, then falling to a hundredth of it.
        momentum: Momentum of the gradient.
        weight_decay: L2 regularisation of the middle point, as part of the gradient.
    """

    steps: int = 1000
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4


@dataclass(frozen=True, eq=False)
class Path:
    """Ways between the networks of several pairs.

    Attributes:
        starts: Parameters of the first network of each pair, in a row.
        ends: Those of the second network.
        bends: The middle points of curves; None for lines.
    """

    starts: Flat
    ends: Flat
    bends: Flat | None = None

    def at(self, position: float) -> Flat:
        """The networks at a place from 0, the first ones, to 1.

        Args:
            position: The same for all pairs.
        """
        if position in (0, 1):
            return self.ends if position else self.starts
        if self.bends is None:
            return torch.lerp(self.starts, self.ends, position)
        first, middle, last = _weights(torch.tensor(position))
        return first * self.starts + middle * self.bends + last * self.ends


@dataclass(frozen=True, eq=False)
class Profile:
    """What is met along the ways of several pairs.

    Attributes:
        positions: Places from 0 to 1, both included.
        losses: Mean loss at each.
        errors: Share of wrong classes at each; None where labels are no classes.
    """

    positions: Float[Tensor, " points"]
    losses: Along
    errors: Along | None


def train_curves(
    objective: Objective,
    starts: Flat,
    ends: Flat,
    buffers: Sequence[Tensor],
    training: CurveTraining,
    generator: torch.Generator,
) -> Path:
    """Curves of low loss between the networks of all pairs, trained together.

    A curve is (1 − t)² a + 2 t (1 − t) θ + t² b; θ begins in the middle between a and b and
    minimises the mean loss over t. Batch norms take the statistics of the batch.

    Args:
        objective: Losses on the training data.
        starts: Parameters of the first networks.
        ends: Parameters of the second networks.
        buffers: Buffers of the networks; not changed.
        training: How they are trained.
        generator: Draws the places and the order of the batches.
    """
    buffers = [buffer.clone() for buffer in buffers]
    bends = torch.lerp(starts, ends, 0.5)
    velocity = torch.zeros_like(bends)
    order: list[int] = []
    for step in range(training.steps):
        if not order:
            order = torch.randperm(len(objective.batches), generator=generator).tolist()
        batch = objective.batches[order.pop()]
        places = torch.rand(len(starts), 1, generator=generator).to(starts)
        first, middle, last = _weights(places)
        point = (first * starts + middle * bends + last * ends).requires_grad_()
        with single_samples_refused(batch):
            outputs = objective.outputs(objective.views(point), buffers, batch, training=True)
        (gradient,) = torch.autograd.grad(objective.losses(outputs, batch).sum(), point)
        gradient = middle * gradient + training.weight_decay * bends
        velocity = training.momentum * velocity + gradient
        bends = bends - training.learning_rate * _decay(step / training.steps) * velocity
    return Path(starts, ends, bends.detach())


def profile(
    path: Path,
    objective: Objective,
    statistics: Objective,
    buffers: Sequence[Tensor],
    points: int,
) -> Profile:
    """Losses and errors along the ways, with the statistics of batch norms that belong to each.

    Args:
        path: The ways.
        objective: What is measured.
        statistics: The training data, on which batch norms take their statistics.
        buffers: Buffers of the networks; not changed.
        points: Places, both ends included.
    """
    positions = torch.linspace(0, 1, points, dtype=torch.float64)
    losses, errors = [], []
    for position in positions.tolist():
        flat = path.at(position)
        loss, error = objective.measure(flat, statistics.with_statistics(flat, buffers))
        losses.append(loss)
        errors.append(error)
    known = [error for error in errors if error is not None]
    found = torch.stack(known, dim=1) if len(known) == points else None
    return Profile(positions, torch.stack(losses, dim=1), found)


def connectivity(values: Along) -> Float[Tensor, " pairs"]:
    """How well the networks of a pair are connected: the mean of both ends less the farthest point.

    Negative behind a barrier, near 0 where the way is as good as its ends, and positive where it is
    better than these, as between networks that have learnt little. Y. Yang et al., "Taxonomizing
    local versus global structure in neural network loss landscapes" (2021).

    Args:
        values: Losses, or shares of wrong classes, along the way of each pair.
    """
    deviation = values[:, [0, -1]].mean(1, keepdim=True) - values
    farthest = deviation.abs().argmax(dim=1, keepdim=True)
    return deviation.gather(1, farthest)[:, 0]


def barrier(values: Along, positions: Float[Tensor, " points"]) -> Float[Tensor, " pairs"]:
    """The greatest height above the line between both ends, at least 0.

    J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin, "Linear mode connectivity and the lottery
    ticket hypothesis" (2020).

    Args:
        values: Losses, or shares of wrong classes, along the way of each pair.
        positions: The places, from 0 to 1.
    """
    straight = torch.lerp(values[:, :1], values[:, -1:], positions.to(values))
    return (values - straight).amax(1).clamp(min=0)


def _weights(places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return (1 - places) ** 2, 2 * places * (1 - places), places**2


def _decay(done: float) -> float:
    """The published schedule, on steps instead of epochs: it ends at a hundredth."""
    if done <= 0.5:
        return 1.0
    return 1.0 - (done - 0.5) / 0.4 * 0.99 if done <= 0.9 else 0.01
