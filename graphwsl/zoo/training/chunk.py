"""The training of a few networks together; its result depends on each network's factors alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.batched_networks import BatchedNetworks, Drop
from graphwsl.zoo.training.configurations import completed, kept_epochs, whole
from graphwsl.zoo.training.evaluation import BATCH as MEASURED
from graphwsl.zoo.training.evaluation import evaluate
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.labels import labels_of, require_labels, with_noise
from graphwsl.zoo.training.losses import losses_of
from graphwsl.zoo.training.objectives.objective import Batch, Objective, outputs_of
from graphwsl.zoo.training.objectives.registry import objective_of
from graphwsl.zoo.training.optimisers import OPTIMISERS, Parameters
from graphwsl.zoo.training.streams import Purpose, stream
from graphwsl.zoo.training.tuning import Penalty, Tuning

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True, eq=False)
class TrainedChunk:
    """The kept epochs of some networks.

    Attributes:
        weights: Each parameter. Shapes ``(models, kept, ...)``.
        metrics: ``train_loss``, ``train_accuracy``, ``test_loss`` and ``test_accuracy``; where
            networks approximate numbers the losses alone; with an objective the losses and what
            it measures besides.
        usable: Kept epochs before the first at which a weight or a loss was not finite.
        problems: Why networks are not usable, by their numbers, where it is another reason.
    """

    weights: dict[str, Tensor]
    metrics: dict[str, Float[Tensor, "models kept"]]
    usable: Int[Tensor, " models"]
    problems: Mapping[int, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The shapes of all weights, not their values."""
        shapes = ", ".join(f"{name}: {tuple(v.shape)}" for name, v in self.weights.items())
        metrics, usable = ", ".join(self.metrics), self.usable.tolist()
        return f"TrainedChunk(weights={{{shapes}}}, metrics=({metrics}), usable={usable})"


class Training:
    """Networks that train together; they share what :func:`graphwsl.zoo.sweep.shaping` says.

    A network ends as if trained alone: it minimises the mean loss of each batch, in an order of
    the training samples that is drawn anew each epoch from the stream of its seed.

    Args:
        configurations: The generating factors of each network; see :func:`train_chunk`.
        data: The samples.
        batch_size: Samples a step, unless it is a factor; the last step of an epoch takes what is
            left.
        tuning: Where the networks begin and what of them is held; None begins anew.

    Attributes:
        train_labels: What each network learns, its label noise included. Shape
            ``(models, samples, ...)``.

    Raises:
        ZooError: There are no networks, they cannot train together, have unknown factors or such
            that the data do not allow, or do not fit the tuning.
    """

    def __init__(
        self,
        configurations: Sequence[Mapping[str, Scalar]],
        data: DataSet,
        batch_size: int,
        tuning: Tuning | None = None,
    ) -> None:
        whole("batch_size", batch_size, least=1)
        configurations = completed(configurations, data)
        require_labels(configurations, data)
        self.data, self.tuning = data, tuning or Tuning()
        first = configurations[0]
        if first.get("parent") is not None and self.tuning.weights is None:
            raise ZooError(
                f"a network with a parent, {first['parent']!r}, begins with given weights; give "
                "tuning, or leave out the factor parent"
            )
        self.objective = objective_of(first)
        self.batch_size = int(first.get("batch_size") or batch_size)
        modules = [initialised(configuration) for configuration in configurations]
        _require_dropout(modules, configurations)
        self.networks = BatchedNetworks.of(modules[0], len(data.sample_shape))
        self.networks.keep_statistics(self.tuning.holds)
        self._names = _canonical_names(modules[0])
        state = self.tuning.begin(_stacked(modules), self._names)
        self.parameters = Parameters([state[name] for name in self.networks.names])
        held_whole = [n for n, name in enumerate(self.networks.names) if self.tuning.holds(name)]
        self.parameters.hold(held_whole)
        self.buffers = [state[name].clone() for name in self.networks.buffer_names]
        held = self.tuning.held(self.networks.names, self.parameters.views)
        self._held = None if held is None else (held, self.parameters.flat[held])
        self._held_buffers = [
            (buffer, buffer.clone())
            for name, buffer in zip(self.networks.buffer_names, self.buffers, strict=True)
            if self.tuning.holds(name)
        ]

        def vector(name: str) -> Tensor:
            return torch.tensor([float(factors[name] or 0) for factors in configurations])

        self._optimiser = OPTIMISERS[str(first["optimiser"])](
            self.parameters, vector("learning_rate"), vector("weight_decay")
        )
        self._seeds = [int(factors["seed"] or 0) for factors in configurations]
        signals = [int(factors.get("signal") or 0) for factors in configurations]
        self._signals = torch.tensor(signals)
        self._rates = vector("dropout")
        self._subset = self._draw_subset(float(first["data_fraction"] or 1))
        labels = labels_of(data.train_labels, data, configurations)
        self.train_labels = with_noise(labels, data, configurations)
        self.test_labels = labels_of(data.test_labels, data, configurations)

    @property
    def weights(self) -> dict[str, Tensor]:
        """Each parameter and buffer of all networks as it is now. Shapes ``(models, ...)``."""
        views = [view.detach() for view in self.parameters.views]
        names = (*self.networks.names, *self.networks.buffer_names)
        values = dict(zip(names, (*views, *self.buffers), strict=True))
        return {name: values[canonical] for name, canonical in self._names.items()}

    def train_epoch(self, epoch: int) -> None:
        """One pass over the training samples; epochs count from 1."""
        epoch += self.tuning.epochs
        self.begin_epoch(epoch)
        samples = len(self.data.train) if self._subset is None else self._subset.shape[1]
        order = self._permutations(samples, "order", epoch)
        order = order if self._subset is None else self._subset.gather(1, order)
        drop = self._dropout(epoch)
        views = [] if self.objective is None else self._views(epoch)
        lanes = min(self.batch_size, samples)
        lanes += -lanes % self.networks.batch_multiple
        rows = torch.arange(len(order))[:, None]
        for indices in order.split(self.batch_size, dim=1):
            count = indices.shape[1]
            if self.objective is not None:
                batch = self._batch(self.data.train, self.train_labels, indices, views, train=True)
                self._step(self.objective.losses(batch).sum() / count)
                continue
            # Samples that fill up the batch have no weight, where they change nothing else.
            missing = 0 if self.networks.mixes_samples else lanes - count
            indices = torch.cat([indices, indices[:, :1].expand(-1, missing)], dim=1)
            images = self.networks.images(self.data.train, indices)
            logits = self.networks.logits(
                self.of_step(), images, drop, buffers=self.buffers, training=True
            )
            losses = losses_of(logits, self.train_labels[rows, indices])
            self._step(losses[:, :count].sum() / count)

    def _step(self, loss: Float[Tensor, ""]) -> None:
        """Move all networks against the gradient of the sum of their losses."""
        penalty = self.penalty()
        loss = loss if penalty is None else loss + penalty
        self._optimiser.step(self.parameters.gradient(loss))
        if self._held is not None:
            held, values = self._held
            self.parameters.flat[held] = values
        for buffer, value in self._held_buffers:
            buffer.copy_(value)

    def _batch(
        self,
        samples: Shaped[Tensor, "samples *sample"],
        labels: Shaped[Tensor, "models samples *label"],
        indices: Int[Tensor, "models batch"],
        views: Sequence[torch.Generator],
        *,
        train: bool,
    ) -> Batch:
        """What an objective learns from, or is measured on."""
        rows = torch.arange(len(indices))[:, None]
        parameters = self.of_step() if train else self.parameters.views
        run = outputs_of(self.networks, parameters, self.buffers, train)
        return Batch(samples[indices], labels[rows, indices], self._signals, views, run)

    def begin_epoch(self, epoch: int) -> None:
        """Called before every epoch, which counts on from the passes that came before."""

    def of_step(self) -> Sequence[Tensor]:
        """The parameters that a step computes with, in the order of the networks' names."""
        return self.parameters.views

    def penalty(self) -> Float[Tensor, ""] | None:
        """What is added to the loss of a step, summed over the networks; None adds nothing."""
        return None if self.tuning.penalty is None else self._penalty(self.tuning.penalty)

    @torch.no_grad()
    def measure(self) -> dict[str, Float[Tensor, " models"]]:
        """:data:`METRICS` on the training samples of each network and on all test samples."""
        if self.objective is not None:
            return self._measure(self.objective)
        data, views = self.data, self.parameters.views
        parts = (
            (data.train, self.train_labels, self._subset),
            (data.test, self.test_labels, None),
        )
        values: list[Tensor | None] = []
        for samples, labels, subset in parts:
            values += evaluate(
                self.networks,
                views,
                samples,
                labels,
                subset,
                buffers=self.buffers,
                own_labels=True,
            )
        named = zip(METRICS, values, strict=True)
        return {name: value for name, value in named if value is not None}

    def _measure(self, objective: Objective) -> dict[str, Float[Tensor, " models"]]:
        """The mean loss of an objective, and what it measures besides, in batches of 64."""
        metrics: dict[str, Tensor] = {}
        models = self.parameters.models
        for part, samples, labels in (
            ("train", self.data.train, self.train_labels),
            ("test", self.data.test, self.test_labels),
        ):
            subset = self._subset if part == "train" else None
            if subset is None:
                subset = torch.arange(len(samples)).expand(models, -1)
            views = self._views(0)  # alike at every epoch
            for indices in subset.split(MEASURED, dim=1):
                batch = self._batch(samples, labels, indices, views, train=False)
                found = {"loss": objective.losses(batch), **objective.measured(batch)}
                for name, values in found.items():
                    mean = values.double().sum(1) / subset.shape[1]
                    key = f"{part}_{name}"
                    metrics[key] = metrics.get(key, torch.zeros(models).double()) + mean
        return metrics

    def _views(self, epoch: int) -> list[torch.Generator]:
        return [stream(seed, "views", epoch) for seed in self._seeds]

    def _penalty(self, penalty: Penalty) -> Float[Tensor, ""]:
        named = dict(zip(self.networks.names, self.parameters.views, strict=True))
        added = penalty(named)
        models = self.parameters.models
        if added.shape != (models,):
            raise ZooError(
                f"a penalty must give a number a network, shape ({models},), got "
                f"{tuple(added.shape)}"
            )
        return added.sum()

    def _draw_subset(self, fraction: float) -> Int[Tensor, "models chosen"] | None:
        """Each network's part of the training samples; None is all of them for all."""
        samples = len(self.data.train)
        if fraction == 1:
            return None
        return self._permutations(samples, "subset")[:, : max(1, round(fraction * samples))]

    def _permutations(
        self, samples: int, purpose: Purpose, epoch: int = 0
    ) -> Int[Tensor, "models samples"]:
        orders = [
            torch.randperm(samples, generator=stream(seed, purpose, epoch)) for seed in self._seeds
        ]
        return torch.stack(orders)

    def _dropout(self, epoch: int) -> Drop | None:
        """Dropout of every network at its own rate, from its own stream."""
        if not self._rates.any():
            return None
        generators = [stream(seed, "dropout", epoch) for seed in self._seeds]

        def drop(x: Tensor) -> Tensor:
            draws = torch.empty_like(x)
            for own, generator in zip(draws, generators, strict=True):
                own.uniform_(generator=generator)
            rates = self._rates.view(-1, *[1] * (x.ndim - 1))
            return x * ((draws >= rates) / (1 - rates))

        return drop


def train_chunk(
    configurations: Sequence[Mapping[str, Scalar]],
    data: DataSet,
    *,
    epochs: int,
    batch_size: int,
    kept: Sequence[int],
    tuning: Tuning | None = None,
    on_epoch: Callable[[], None] = lambda: None,
) -> TrainedChunk:
    """Train networks together and keep some of their epochs.

    Args:
        configurations: The generating factors of each network, such as those of a checkpoint of a
            zoo: ``architecture``, and of the others of :class:`graphwsl.zoo.recipe.Factors` (such
            as ``seed``, ``optimiser`` and ``learning_rate``) and of the architecture (such as
            ``width``) those that differ from their defaults. What a sample is, and the number of
            outputs, are those of the data. Networks share what
            :func:`graphwsl.zoo.sweep.shaping` says.
        data: The samples.
        epochs: Passes over the training samples.
        batch_size: Samples a step, unless it is a factor.
        kept: Epochs from 0, the beginning, to ``epochs`` whose weights are kept and measured, in
            order.
        tuning: Where the networks begin and what of them is held; None begins anew.
        on_epoch: Called after every epoch; what it raises ends the training.

    Raises:
        ZooError: As :class:`Training`; or ``epochs``, ``batch_size`` or ``kept`` are wrong.
    """
    kept = kept_epochs(kept, epochs)
    training = Training(configurations, data, batch_size, tuning)
    weights = {
        name: torch.zeros(len(values), len(kept), *values.shape[1:], dtype=values.dtype)
        for name, values in training.weights.items()
    }
    metrics: dict[str, Tensor] = {}
    for epoch in range(epochs + 1):
        if epoch:
            training.train_epoch(epoch)
        if epoch in kept:
            position = kept.index(epoch)
            for name, values in training.weights.items():
                weights[name][:, position] = values
            for name, values in training.measure().items():
                empty = torch.full((len(configurations), len(kept)), torch.nan)
                metrics.setdefault(name, empty)[:, position] = values
        if epoch:
            on_epoch()
    return TrainedChunk(weights, metrics, _usable(weights, metrics))


def _usable(weights: dict[str, Tensor], metrics: dict[str, Tensor]) -> Tensor:
    finite = torch.stack([values.isfinite() for values in metrics.values()]).all(0)
    for values in weights.values():
        finite &= values.reshape(*finite.shape, -1).isfinite().all(2)
    return finite.cumprod(1).sum(1)


def _stacked(modules: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Every parameter and buffer of all networks, those that are not stored included."""

    def named(module: nn.Module) -> dict[str, Tensor]:
        tensors: Iterable[tuple[str, Tensor]] = (
            *module.named_parameters(),
            *module.named_buffers(),
        )
        return {name: tensor.detach() for name, tensor in tensors}

    states = [named(module) for module in modules]
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def _canonical_names(module: nn.Module) -> dict[str, str]:
    """For every name in the state dict that of the parameter or buffer, which may have several."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    names = {id(tensor): name for name, tensor in tensors}
    state = module.state_dict(keep_vars=True)
    return {name: names[id(tensor)] for name, tensor in state.items()}


def _require_dropout(
    modules: Sequence[nn.Module], configurations: Sequence[Mapping[str, Scalar]]
) -> None:
    """Check that layers drop as the factors say, by which they are trained."""
    for module, factors in zip(modules, configurations, strict=True):
        for layer in module.modules():
            if isinstance(layer, nn.Dropout) and layer.p != float(factors["dropout"] or 0):
                raise ZooError(
                    f"a layer of {factors['architecture']} drops {layer.p}, the factor dropout is "
                    f"{factors['dropout']}; layers must take it from factors.dropout"
                )
