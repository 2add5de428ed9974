"""Whether two trained networks of a user are connected by low loss, along a curve or a line."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import InvalidArgumentError, LandscapeError
from graphwsl.landscape.module_objective import Batches, Loss, ModuleObjective
from graphwsl.landscape.paths import (
    CurveTraining,
    Path,
    barrier,
    connectivity,
    profile,
    train_curves,
)
from graphwsl.symmetries.group import Symmetries

State = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Connection:
    """The way from one network to another.

    Attributes:
        positions: Places from 0, the first network, to 1, the second one.
        losses: Mean loss at each.
        errors: Share of wrong classes at each; None where labels are no classes.
        middle: Weights at the middle of the way, the statistics of batch norms included.
    """

    positions: Float[Tensor, " points"]
    losses: Float[Tensor, " points"]
    errors: Float[Tensor, " points"] | None
    middle: dict[str, Tensor]

    @property
    def loss_connectivity(self) -> float:
        """See :func:`graphwsl.landscape.paths.connectivity`, of the losses."""
        return float(connectivity(self.losses[None]))

    @property
    def error_connectivity(self) -> float | None:
        """See :func:`graphwsl.landscape.paths.connectivity`, of the shares of wrong classes."""
        return None if self.errors is None else float(connectivity(self.errors[None]))

    @property
    def loss_barrier(self) -> float:
        """See :func:`graphwsl.landscape.paths.barrier`, of the losses."""
        return float(barrier(self.losses[None], self.positions))


def mode_connectivity(
    module: nn.Module,
    state_a: State,
    state_b: State,
    loss: Loss,
    batches: Batches,
    *,
    test_batches: Batches | None = None,
    steps: int = 1000,
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    points: int = 5,
    generator: torch.Generator | None = None,
) -> Connection:
    """A curve of low loss from one network to another: is there one?

    See :func:`graphwsl.landscape.paths.train_curves`. The curve is trained and, unless there are
    test batches, measured on the same batches. At every point batch norms have the statistics of
    all training batches; everything else is in evaluation mode throughout.

    Args:
        module: The architecture; it is not changed, and its own weights do not matter.
        state_a: Weights of one network.
        state_b: Weights of another one.
        loss: Mean loss of a batch of outputs and labels.
        batches: Pairs of inputs and labels to train on.
        test_batches: Pairs to measure on; None for the same.
        steps: Steps of the training of the curve, a batch each. Too few, and there seems to be a
            barrier where there is none.
        learning_rate: Constant for half of the steps, then falling to a hundredth of it.
        momentum: Momentum of the gradient, from 0 to below 1.
        weight_decay: L2 regularisation of the middle point, at least 0.
        points: Places that are measured, both ends included.
        generator: Draws the places and the order of the batches; None takes a fixed seed.

    Raises:
        InvalidArgumentError: An argument of another type or range.
        StateMismatchError: A state is of another architecture.
        LandscapeError: There are no samples, a state has weights that are not finite or of
            another dtype, a batch is too small for batch norms, or the training diverged.
    """
    _require_finite(state_a=state_a, state_b=state_b)
    arguments.whole("steps", steps, 1)
    arguments.positive("learning_rate", learning_rate)
    _require_number("momentum", momentum, 1.0)
    _require_number("weight_decay", weight_decay, math.inf)
    training = CurveTraining(steps, learning_rate, momentum, weight_decay)
    generator = generator or torch.Generator().manual_seed(0)
    arguments.generator("generator", generator)
    train = ModuleObjective(module, loss, batches)
    test = train if test_batches is None else ModuleObjective(module, loss, test_batches)
    starts, ends = train.flattened(state_a), train.flattened(state_b)
    path = train_curves(train, starts, ends, train.buffers_of(state_a), training, generator)
    if path.bends is None or not bool(path.bends.isfinite().all()):
        raise LandscapeError(
            f"the training of the curve diverged at learning_rate={learning_rate}; choose a "
            "smaller one"
        )
    return _connection(path, train, test, state_a, points)


def linear_connectivity(
    module: nn.Module,
    state_a: State,
    state_b: State,
    loss: Loss,
    batches: Batches,
    *,
    test_batches: Batches | None = None,
    points: int = 11,
    symmetries: Symmetries | None = None,
) -> Connection:
    """What is met on the straight line from one network to another.

    Args:
        module: The architecture; it is not changed, and its own weights do not matter.
        state_a: Weights of one network.
        state_b: Weights of another one.
        loss: Mean loss of a batch of outputs and labels.
        batches: Pairs of inputs and labels, on which batch norms take their statistics.
        test_batches: Pairs to measure on; None for the same.
        points: Places that are measured, both ends included.
        symmetries: Symmetries of the architecture, by which the second network is first brought as
            close as possible to the first; see :func:`graphwsl.alignment.align_to`. None leaves it
            as it is.

    Raises:
        InvalidArgumentError: An argument of another type or range.
        StateMismatchError: A state is of another architecture.
        LandscapeError: There are no samples, a state has weights that are not finite or of
            another dtype, or a batch is too small for batch norms.
    """
    _require_finite(state_a=state_a, state_b=state_b)
    if symmetries is not None:
        state_a, state_b = aligned_states(symmetries, state_a, state_b)
    train = ModuleObjective(module, loss, batches)
    test = train if test_batches is None else ModuleObjective(module, loss, test_batches)
    path = Path(train.flattened(state_a), train.flattened(state_b))
    return _connection(path, train, test, state_a, points)


def aligned_states(
    symmetries: Symmetries, state_a: State, state_b: State
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Two networks of the same functions as before, as close to each other as can be found.

    Args:
        symmetries: Symmetries of their architecture.
        state_a: Weights of one network; only positive factors between its layers may change.
        state_b: Weights of the other.
    """
    from graphwsl.alignment import align_to, canonical_form
    from graphwsl.populations.unflattening import unflat

    graph = symmetries.graph
    rows = torch.stack([graph.flat(state) for state in (state_a, state_b)])
    first = canonical_form(rows[:1], symmetries, permutations=False, signs=False)
    second = align_to(symmetries, rows[1:], first[0])
    return unflat(first[0], graph), unflat(second[0], graph)


def average(states: Iterable[State], shares: Iterable[float] | None = None) -> dict[str, Tensor]:
    """The mean of the weights of networks of one architecture.

    Means of networks along one training, of networks that were tuned from one beginning, or of
    aligned ones are often good networks; others hardly ever are. Running statistics of batch norms
    are averaged too and are better taken anew from the data. WiSE-FT (M. Wortsman et al., "Robust
    fine-tuning of zero-shot models", 2022) is ``average([before, after], [1 - alpha, alpha])``.

    Args:
        states: Weights, such as ``state_dict()``.
        shares: Weight of each network, which sum to 1; None for equal ones.

    Raises:
        LandscapeError: There are no states, their names or shapes differ, or shares do not fit.
    """
    arguments.listed("states", states, Mapping, "a state_dict", "give state_dict() of networks")
    listed = list(states)
    if not listed:
        raise LandscapeError("there are no networks to average; give at least one state_dict")
    parts = [1 / len(listed)] * len(listed) if shares is None else [float(one) for one in shares]
    if len(parts) != len(listed) or abs(sum(parts) - 1) > 1e-6:
        raise LandscapeError(
            f"there must be a share for each of {len(listed)} networks, which sum to 1, got {parts}"
        )
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in listed]
    if any(one != shapes[0] for one in shapes):
        raise LandscapeError("the networks to average must be of one architecture; theirs differ")
    mean = {}
    for name, tensor in listed[0].items():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor = torch.stack([s * state[name] for s, state in zip(parts, listed, strict=True)])
            mean[name] = tensor.sum(0)
        else:
            mean[name] = tensor.clone()
    return mean


def _require_number(name: str, value: Any, below: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and 0 <= value < below):
        within = "at least 0 and finite" if below == math.inf else f"from 0 to below {below:g}"
        raise InvalidArgumentError(f"{name} must be {within}, got {arguments.described(value)}")


def _require_finite(**states: State) -> None:
    for which, state in states.items():
        arguments.state(state)
        for name, tensor in state.items():
            if isinstance(tensor, Tensor) and not bool((is_finite := tensor.isfinite()).all()):
                value = tensor[~is_finite][0].item()
                raise LandscapeError(f"{name!r} of {which} holds {value}; give finite weights")


def _connection(
    path: Path, train: ModuleObjective, test: ModuleObjective, state: State, points: int
) -> Connection:
    arguments.whole("points", points, 3)
    buffers = train.buffers_of(state)
    found = profile(path, test, train, buffers, points)
    flat = path.at(0.5)
    middle = train.state(flat, train.with_statistics(flat, buffers))
    errors = None if found.errors is None else found.errors[0]
    return Connection(found.positions, found.losses[0], errors, middle)
