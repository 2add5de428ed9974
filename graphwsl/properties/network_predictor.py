"""Predictors that are networks themselves, trained by the loop of the core."""

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from gnncore.errors import SpecificationError
from gnncore.training import (
    ClassificationObjective,
    Forward,
    Objective,
    RaggedRows,
    RegressionObjective,
    TensorBatch,
    TensorStore,
    TrainingSettings,
    fit,
    predict,
    seeded,
)
from graphwsl.errors import PredictorError
from graphwsl.populations.population import Population
from graphwsl.populations.splits import Split
from graphwsl.populations.targets import Target
from graphwsl.properties.predictor import Arrays, Predictor

TRAINING: dict[str, Any] = {
    "epochs": 60,
    "batch_size": 64,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "warm_up": 0.05,
    "schedule": "cosine",
    "clip_norm": 1.0,
    "patience": 20,
    "average_decay": None,
}
"""Settings of the training loop that predictors share, unless they say otherwise."""

_LEARNT_ALONG = {
    "generalisation_gap": ("train_accuracy", "test_accuracy"),
    "test_accuracy": ("train_accuracy", "train_loss", "test_loss"),
}
"""Numbers that help with a target, of those that are known."""


class NetworkPredictor(Predictor):
    """A torch module over flattened states; numbers are standardised by the training labels.

    Options are those of the training, and ``auxiliary``: names of numbers that are learnt along
    with a target that is a number itself, since they say more about a network than one noisy number
    does; the target itself is left out. None stands, where they are known, for both accuracies with
    ``generalisation_gap``, which is their difference, for the training accuracy and both losses
    with ``test_accuracy``, and for nothing with other targets. Epochs are chosen by the target, and
    it alone is predicted.

    The module is called with the flattened states of the networks of a batch: one that reads
    networks of several architectures (``mixed``) as ``module(states, kind)``, with rows of unequal
    lengths and what :meth:`_kind` says of each, others as ``module(states)``, with a matrix. What
    :func:`by_kind` does is what most of the former need.
    """

    defaults: ClassVar[dict[str, Any]] = {**TRAINING, "device": "cpu", "auxiliary": None}

    network: nn.Module
    auxiliary: tuple[str, ...] = ()
    center: Float[Tensor, " outputs"]
    spread: Float[Tensor, " outputs"]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._settings()

    @property
    def num_parameters(self) -> int:
        """Number of trained numbers."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @abstractmethod
    def _build(self, train: Population | None, state: dict[str, Any]) -> nn.Module:
        """The module, for training or (without ``train``) for saved weights.

        Whatever the module's shape depends on is put into ``state`` in the first case and read
        there in the second.
        """

    @abstractmethod
    def _know(self, population: Population) -> None:
        """Prepare the module for a population's networks, which it will know by :meth:`_kind`.

        Raises:
            PredictorError: One that it cannot read.
        """

    def _kind(self, population: Population) -> Int[Tensor, " networks"]:
        """What the module is told about each network."""
        return population.kind

    def check(self, population: Population, split: Split, target: Target) -> None:
        """See :meth:`Predictor.check`; R² on the validation part chooses the epoch of a number."""
        super().check(population, split, target)
        numbers = split.numbers("valid", population.checkpoints)
        labels = target.values([population.checkpoints[number] for number in numbers])
        if not target.is_categorical and len(labels) and bool((labels == labels[0]).all()):
            raise PredictorError(
                f"{target.name!r} is {labels[0].item():g} in all {len(labels)} checkpoints of the "
                f"validation part, by which predictor {self.name!r} chooses its epoch; choose "
                "another seed of the split or another target"
            )

    @property
    def _outputs(self) -> int:
        assert self.target is not None
        if self.target.classes is None:
            return 1 + len(self.auxiliary)
        return len(self.target.classes)

    def _fit(
        self,
        train: Population,
        train_label: Float[Tensor, " networks"],
        valid: Population,
        valid_label: Float[Tensor, " others"],
        progress: bool,
    ) -> None:
        settings = self._settings()
        objective: Objective = RegressionObjective()
        self.auxiliary = self._learnt_along(train)
        labels = self._labels(train, train_label)
        self.center, self.spread = torch.zeros(self._outputs), torch.ones(self._outputs)
        if self._is_categorical:
            objective = ClassificationObjective(select_by="loss")
        else:
            spread = labels.std(0, correction=0)
            self.center, self.spread = labels.mean(0), torch.where(spread > 0, spread, 1.0)
        self._built: dict[str, Any] = {}
        with seeded(self.seed):
            self.network = self._build(train, self._built)
        self._know(train)
        order = self._kind(valid).argsort(stable=True)
        valid, valid_label = valid.select(order.tolist()), valid_label[order]
        valid_labels = self._labels(valid, valid_label)
        decides = torch.ones_like(valid_labels, dtype=torch.bool)
        if not self._is_categorical:
            decides[:, 1:] = False
        stores = (
            _store(train, self._kind(train), y=self._standardised(labels)),
            _store(valid, self._kind(valid), y=self._standardised(valid_labels), y_mask=decides),
        )
        start = time.perf_counter()
        result = fit(
            self.network,
            *stores,
            settings,
            objective,
            self.work,
            forward=self._forward,
            resume=self.work is not None,
            progress=progress,
        )
        self.network.to("cpu")
        self.report = {
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            "seconds": time.perf_counter() - start,
            "checkpoints_per_second": result.samples_per_second,
        }

    def _settings(self) -> TrainingSettings:
        names = set(TrainingSettings.model_fields)
        values = {name: value for name, value in self.options.items() if name in names}
        try:
            return TrainingSettings(**values, seed=self.seed, group_by="kind")
        except SpecificationError as error:
            raise PredictorError(f"options of predictor {self.name!r}: {error}") from error

    @property
    def _forward(self) -> Forward:
        return call_on_several_kinds if self.mixed else call_on_one_kind

    @property
    def _is_categorical(self) -> bool:
        return self.target is not None and self.target.is_categorical

    def _labels(
        self, population: Population, label: Float[Tensor, " networks"]
    ) -> Float[Tensor, "networks outputs"]:
        if self._is_categorical:
            return functional.one_hot(label.long(), self._outputs).float()
        others = [Target(name).values(population.checkpoints) for name in self.auxiliary]
        return torch.stack([label, *others], dim=1)

    def _learnt_along(self, train: Population) -> tuple[str, ...]:
        if self._is_categorical:
            return ()
        assert self.target is not None
        if self.options["auxiliary"] is not None:
            return tuple(name for name in self.options["auxiliary"] if name != self.target.name)
        known = train.checkpoints[0].metrics
        return tuple(name for name in _LEARNT_ALONG.get(self.target.name, ()) if name in known)

    def _standardised(
        self, labels: Float[Tensor, "networks outputs"]
    ) -> Float[Tensor, "networks outputs"]:
        return (labels - self.center) / self.spread

    def _predict(self, population: Population) -> Float[Tensor, "networks outputs"]:
        self._know(population)
        order = self._kind(population).argsort(stable=True)
        ordered = population.select(order.tolist())
        store = _store(ordered, self._kind(ordered))
        output = predict(
            self.network, store, int(self.options["batch_size"]), forward=self._forward
        )[order.argsort()]
        if self._is_categorical:
            return output.sigmoid() / output.sigmoid().sum(1, keepdim=True)
        return (output * self.spread + self.center)[:, :1]

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {name: t.detach().numpy() for name, t in self.network.state_dict().items()}
        scale = {"center": self.center.tolist(), "spread": self.spread.tolist()}
        return arrays, {"built": self._built, "auxiliary": list(self.auxiliary), **scale}

    def _restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self._built, self.auxiliary = state["built"], tuple(state["auxiliary"])
        self.center, self.spread = (torch.tensor(state[name]) for name in ("center", "spread"))
        self.network = self._build(None, self._built).eval()
        self.network.load_state_dict({n: torch.from_numpy(np.array(a)) for n, a in arrays.items()})


def call_on_several_kinds(module: nn.Module, batch: TensorBatch) -> Tensor:
    """The predictions of a module that reads networks of several kinds."""
    return module(batch.x, batch.kind)


def call_on_one_kind(module: nn.Module, batch: TensorBatch) -> Tensor:
    """The predictions of a module that reads networks of one architecture."""
    return module(batch.x.matrix())


def by_kind(
    states: RaggedRows,
    kind: Int[Tensor, " networks"],
    predict: Callable[[int, Tensor], Tensor],
) -> Float[Tensor, "networks outputs"]:
    """What a batch gives if networks of one kind are handled together.

    Args:
        states: The flattened state of every network.
        kind: Kind of every network.
        predict: Takes a kind and the states of its networks, shape ``(some, entries)``.
    """
    numbers = kind.unique().tolist()
    if len(numbers) == 1:
        return predict(numbers[0], states.matrix())
    rows = states.rows()
    order, outputs = [], []
    for number in numbers:
        members = (kind == number).nonzero()[:, 0]
        order.append(members)
        outputs.append(predict(number, torch.stack([rows[n] for n in members.tolist()])))
    return torch.cat(outputs)[torch.cat(order).argsort()]


def _store(population: Population, kind: Int[Tensor, " networks"], **labels: Tensor) -> TensorStore:
    return TensorStore(x=RaggedRows.of(population.states), kind=kind, **labels)
