"""Linear probes: what a linear model reads from features of networks, such as an embedding.

Ridge regression for numbers and logistic regression for classes, fitted to the training networks of
a split, with the penalty chosen on its validation networks, and judged on networks of the test
part, of another zoo, or of a width that was never seen. Weights as they are and statistics of
layers go through the same and stand beside: an embedding that tells less than they do has lost
something.

Schürholt et al., "Self-Supervised Representation Learning on Neural Network Weights for Model
Characteristic Prediction", 2021.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GraphwslError, PredictorError
from graphwsl.populations.fitted_to import FittedTo
from graphwsl.populations.layer_statistics import LayerStatistics
from graphwsl.populations.population import Population
from graphwsl.populations.splits import PARTS, Split
from graphwsl.populations.targets import Target
from graphwsl.properties.evaluation import evaluate
from graphwsl.properties.linear_models import LinearModel, PrincipalAxes
from graphwsl.properties.linear_probe_results import LinearProbe, LinearProbes

Features = Callable[[Population], Tensor | np.ndarray]
"""A vector a network, of shape ``(networks, features)``, such as ``representation.embed``."""

WEIGHTS, LAYER_STATISTICS = "weights", "layer_statistics"
"""Names of the features that are always there: flattened states of networks of one architecture;
mean, variance and quantiles of each layer's weights, and of its biases apart, without padding."""

MEASURED = ("test_accuracy", "generalisation_gap", "epoch")
NO_FACTORS = ("seed",)
"""What is known of networks, and is not for reading from their weights."""


def linear_probes(
    features: Mapping[str, Features],
    population: Population,
    split: Split,
    targets: Sequence[str] | None = None,
    *,
    others: Mapping[str, Population] | None = None,
    baselines: bool = True,
) -> LinearProbes:
    """Fit and test linear probes of features, and of weights and layer statistics beside them.

    What makes the features must not have seen the test part either: fit it to the training part of
    the same split.

    Args:
        features: What is probed, by name, such as ``{"sane": representation.embed}``; each gives a
            tensor or an array of shape ``(networks, features)``.
        population: Networks of a zoo.
        split: Which of them are of which part.
        targets: Names of properties; by default the test accuracy, the generalisation gap, the
            epoch and every generating factor that all networks have, as far as they vary among the
            training networks.
        others: Further networks to test on, by name: of another zoo, or of another width.
        baselines: Whether weights and layer statistics are probed too.

    Returns:
        The probes. Those of features that refuse networks by an error of this package say why, as
        do those that are of another number or not finite for ``others``.

    Raises:
        PredictorError: Features that are no finite vector for each network of the population, or
            no vector for each of the others; a part without networks, a network in two parts,
            other networks that were learnt from, or a property that does not vary or that networks
            lack.

    >>> made = linear_probes({"sane": representation.embed}, population, split)  # doctest: +SKIP
    >>> made["sane", "test_accuracy"].metrics["r2"]  # doctest: +SKIP
    """
    advice = "give what split_models(checkpoints) returns"
    arguments.instance("split", split, Split, "a Split", advice)
    advice = 'give such as {"sane": representation.embed}'
    arguments.instance("features", features, Mapping, "a dictionary", advice)
    for name, read in features.items():
        if not callable(read):
            raise PredictorError(
                f"features {name!r} must be a function of a population, got "
                f"{arguments.described(read)}; {advice}"
            )
    parts = _parts(population, split)
    tested = {"test": parts["test"], **_strangers(parts, others or {})}
    readers = dict(features)
    if baselines:
        taken = readers.keys() & {WEIGHTS, LAYER_STATISTICS}
        if taken:
            raise PredictorError(
                f"{min(taken)!r} is probed anyway; give your features another name"
            )
        readers |= _baselines(parts["train"])
    chosen = _targets(parts, targets)
    found: dict[tuple[int, int, int], LinearProbe] = {}
    for column, (name, read) in enumerate(readers.items()):
        readable = _Readable.of(name, read, {**parts, **tested})
        for row, target in enumerate(chosen):
            fitted = _Fitted.of(readable, target, parts)
            for line, (label, some) in enumerate(tested.items()):
                found[row, line, column] = fitted.tested(label, some)
    counts = {part: len(some) for part, some in parts.items()}
    return LinearProbes(tuple(found[key] for key in sorted(found)), counts)


@dataclass(frozen=True, eq=False)
class _Readable:
    """Features of all networks about the axes of the training part, or why there are none.

    Attributes:
        name: Name of the features.
        columns: How many there are.
        rows: By part or name of the networks.
        failed: Reasons why there are none, by the same names.
    """

    name: str
    columns: int = 0
    rows: dict[str, Float[np.ndarray, "networks axes"]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, read: Features, parts: Mapping[str, Population]) -> "_Readable":
        """The features of all networks, of which ``train`` are the first."""
        failed: dict[str, str] = {}
        matrices = {}
        for part, population in parts.items():
            try:
                found = read(population)
            except GraphwslError as error:
                failed[part] = str(error)
                continue
            matrix = _matrix(name, found, len(population))
            # Statistics of layers that a network does not have are missing, not wrong.
            if np.isinf(matrix).any() or (name != LAYER_STATISTICS and np.isnan(matrix).any()):
                reason = f"{name!r} is not finite for all networks; leave those out"
                if part in PARTS:
                    raise PredictorError(reason)
                failed[part] = reason
            else:
                matrices[part] = matrix
        if "train" not in matrices:
            return cls(name, failed=failed)
        axes = PrincipalAxes.fit(matrices["train"])
        count, rows = len(axes.mean), {}
        for part, matrix in matrices.items():
            if matrix.shape[1] == count:
                rows[part] = axes.turned(matrix)
            else:
                wrong = f"{name!r} has {matrix.shape[1]:,} numbers"
                if part in PARTS:
                    raise PredictorError(
                        f"{wrong} for networks of the {part} part, and {count:,} for those of "
                        "training; give as many for every network"
                    )
                failed[part] = f"{wrong} here, not {count:,}"
        return cls(name, count, rows, failed)

    def reason(self, *parts: str) -> str | None:
        """Why it cannot be read in one of these parts; None if it can in all of them."""
        return next((self.failed[part] for part in parts if part in self.failed), None)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A model of a property, or none where the features cannot be read."""

    readable: _Readable
    target: Target
    known: frozenset[int]
    model: LinearModel | None = None
    valid: dict[str, float] | None = None

    @classmethod
    def of(cls, readable: _Readable, target: Target, parts: Mapping[str, Population]) -> "_Fitted":
        """The model of the training part, its penalty chosen on validation."""
        y, valid_y = (target.values(parts[part].checkpoints) for part in ("train", "valid"))
        known = frozenset(y.long().tolist()) if target.is_categorical else frozenset()
        if readable.reason("train", "valid"):
            return cls(readable, target, known)
        x, valid_x = readable.rows["train"], readable.rows["valid"]
        if target.is_categorical:
            model = LinearModel.logistic(x, y.long().numpy(), valid_x, valid_y.long().numpy())
        else:
            model = LinearModel.ridge(x, y.double().numpy(), valid_x, valid_y.double().numpy())
        fitted = cls(readable, target, known, model)
        return cls(readable, target, known, model, fitted._judged("valid", valid_y))

    def tested(self, part: str, population: Population) -> LinearProbe:
        """The probe, tested on some networks."""
        made = LinearProbe(
            self.readable.name,
            self.target.name,
            part,
            len(population),
            columns=self.readable.columns,
            penalty=None if self.model is None else self.model.penalty,
            valid=self.valid,
        )
        reason = self.readable.reason("train", "valid", part)
        if reason is None:
            try:
                label = self.target.values(population.checkpoints)
            except PredictorError as error:
                reason = str(error)
        if reason is not None:
            return replace(made, failed=reason)
        missing: tuple[str, ...] = ()
        if self.target.classes is not None:
            strange = sorted(set(label.long().tolist()) - self.known)
            missing = tuple(str(self.target.classes[index]) for index in strange)
        return replace(made, metrics=self._judged(part, label), missing=missing)

    def _judged(self, part: str, label: Float[Tensor, " networks"]) -> dict[str, float]:
        assert self.model is not None
        told = torch.from_numpy(self.model.predict(self.readable.rows[part])).float()
        return evaluate(told, label, self.target)


def _parts(population: Population, split: Split) -> dict[str, Population]:
    checkpoints = population.checkpoints
    parts = {part: population.select(split.numbers(part, checkpoints)) for part in PARTS}
    models = sorted(model for part in PARTS for model in set(getattr(split, part)))
    for model, following in pairwise(models):
        if model == following:
            raise PredictorError(f"network {model!r} is in two parts of the split; split anew")
    for part, some in parts.items():
        if not len(some):
            raise PredictorError(f"the {part} part of the split has no networks; split anew")
    return parts


def _strangers(
    parts: Mapping[str, Population], others: Mapping[str, Population]
) -> dict[str, Population]:
    """Other networks, once it is known that nothing was learnt from them."""
    known = FittedTo.of(parts["train"], parts["valid"]) if others else None
    for name, other in others.items():
        if name in PARTS:
            raise PredictorError(f"other networks cannot be called {name!r}, as a part is")
        if not len(other):
            raise PredictorError(f"there are no networks {name!r}; give at least one")
        assert known is not None
        seen = sum(part is not None for part in known.parts(other, [name] * len(other)))
        if seen:
            raise PredictorError(
                f"{seen:,} of the {len(other):,} networks {name!r} are among those that are learnt "
                "from; leave them out"
            )
    return dict(others)


def _targets(parts: Mapping[str, Population], names: Sequence[str] | None) -> list[Target]:
    own = parts["train"].checkpoints
    every = [checkpoint for part in PARTS for checkpoint in parts[part].checkpoints]
    if names is not None:
        arguments.listed("targets", names, str, "a name", 'give such as ["test_accuracy"]')
        for name in names:
            Target.of(name, own)
        return [Target.of(name, every) for name in names]
    factors = {name for c in every for name in c.configuration} - {*NO_FACTORS, *MEASURED}
    found = []
    for name in (*MEASURED, *sorted(factors)):
        try:
            Target.of(name, own)
            found.append(Target.of(name, every))
        except PredictorError:  # it does not vary, or not all networks have it
            continue
    if not found:
        raise PredictorError("the networks differ in no property; name targets that vary")
    return found


def _baselines(train: Population) -> dict[str, Features]:
    columns = LayerStatistics.for_population(train)
    digests = {one.digest for one in train.present}

    def weights(population: Population) -> Tensor:
        if len({*digests, *(one.digest for one in population.present)}) > 1:
            raise PredictorError("weights are compared among networks of one architecture alone")
        return torch.stack(population.states)

    def statistics(population: Population) -> Tensor:
        return torch.from_numpy(columns.of(population))

    return {WEIGHTS: weights, LAYER_STATISTICS: statistics}


def _matrix(name: str, found: Any, count: int) -> Float[np.ndarray, "networks features"]:
    matrix = found
    if isinstance(found, Tensor) and not found.is_complex():
        matrix = found.detach().double().cpu().numpy()
    is_real = isinstance(matrix, np.ndarray) and matrix.dtype.kind in "fiub"
    if not is_real or matrix.ndim != 2 or len(matrix) != count or not matrix.shape[1]:
        raise PredictorError(
            f"{name!r} must give a vector for each of {count} networks, numbers of shape "
            f"({count}, features), got {arguments.described(found)}"
        )
    return matrix.astype(np.float64)
