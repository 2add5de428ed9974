"""Predictors that complement each other, weighted by what they are worth on validation."""

from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from graphwsl.errors import PredictorError
from graphwsl.populations.population import Population
from graphwsl.populations.splits import Split
from graphwsl.populations.targets import Target
from graphwsl.properties.predictor import Arrays, Predictor
from graphwsl.properties.predictors.forward_propagation import ForwardPropagationPredictor
from graphwsl.properties.predictors.message_passing import MessagePassingPredictor
from graphwsl.properties.predictors.weight_statistics import (
    WeightStatisticsBoosting,
    columns_of,
)

MEMBERS: dict[str, type[Predictor]] = {
    member.name: member
    for member in (
        WeightStatisticsBoosting,
        ForwardPropagationPredictor,
        MessagePassingPredictor,
    )
}
"""What can be stacked."""

_BETWEEN_COPIES = 1_000_003
"""Between the seeds of two copies, so that fits with neighbouring seeds share none."""


class StackedPredictor(Predictor):
    """The weighted mean of trees on statistics and a network on the neural graph.

    Weights are those of least squared error on validation, see :func:`best_mean`. Errors of trees
    and networks differ, so that the mean often errs less than either.

    Options: ``members``, their names; ``options``, those of each by its name; ``copies``: networks
    are trained so often, from seeds of their own, and their mean is the member.
    """

    name: ClassVar[str] = "stacked"
    invariant: ClassVar[bool] = True
    mixed: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {
        "members": ["weight_statistics_boosting", "forward_propagation"],
        "options": {},
        "copies": 1,
    }

    groups: list[list[Predictor]]
    weights: Float[np.ndarray, " members"]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names = self.options["members"]
        for name in names:
            if name not in MEMBERS:
                raise PredictorError(
                    f"predictor 'stacked' has no member {name!r}; choose from {', '.join(MEMBERS)}"
                )
        if not names:
            raise PredictorError("predictor 'stacked' needs at least one member, got none")
        copies = self.options["copies"]
        if not isinstance(copies, int) or copies < 1:
            raise PredictorError(f"copies of predictor 'stacked' must be at least 1, got {copies}")
        self.groups = [self._copies_of(name, copies) for name in names]

    def _copies_of(self, name: str, copies: int) -> list[Predictor]:
        """A member, as often as it is fitted: what has no random start, once."""
        kind, options = MEMBERS[name], self.options["options"].get(name, {})
        return [kind(**options) for _ in range(copies if "epochs" in kind.defaults else 1)]

    @property
    def members(self) -> list[Predictor]:
        """All members, with their copies one after the other."""
        return [member for group in self.groups for member in group]

    def check(self, population: Population, split: Split, target: Target) -> None:
        """See :meth:`Predictor.check`; of all members."""
        for member in self.members:
            member.check(population, split, target)

    @property
    def num_parameters(self) -> int:
        """Number of fitted numbers of all members."""
        return sum(member.num_parameters for member in self.members)

    def _fit(
        self,
        train: Population,
        train_label: Float[Tensor, " networks"],
        valid: Population,
        valid_label: Float[Tensor, " others"],
        progress: bool,
    ) -> None:
        self._introduce()
        for member in self.members:
            member._fit(train, train_label, valid, valid_label, progress)
        outputs = [self._mean(group, valid).double().numpy().ravel() for group in self.groups]
        self.weights = best_mean(np.stack(outputs, axis=1), columns_of(self, valid_label).ravel())
        self.report = {
            "weights": dict(zip(self.options["members"], self.weights.tolist(), strict=True)),
            "members": [member.report for member in self.members],
        }

    def _introduce(self) -> None:
        for group in self.groups:
            for copy, member in enumerate(group):
                name = member.name if copy == 0 else f"{member.name}-{copy + 1}"
                member.target, member.split = self.target, self.split
                member.seed = self.seed + copy * _BETWEEN_COPIES
                member.work = None if self.work is None else self.work / name

    @staticmethod
    def _mean(group: list[Predictor], population: Population) -> Float[Tensor, "networks outputs"]:
        return torch.stack([member._predict(population) for member in group]).mean(0)

    def _predict(self, population: Population) -> Float[Tensor, "networks outputs"]:
        outputs = torch.stack([self._mean(group, population) for group in self.groups])
        weights = torch.from_numpy(self.weights).float()
        return (outputs * weights[:, None, None]).sum(0)

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays: Arrays = {"weights": self.weights}
        states = []
        for number, member in enumerate(self.members):
            own, state = member._state()
            arrays |= {f"{number}/{name}": array for name, array in own.items()}
            states.append(state)
        return arrays, {"members": states}

    def _restore(self, arrays: Arrays, state: dict[str, Any]) -> None:
        self.weights = arrays["weights"]
        self._introduce()
        for number, member in enumerate(self.members):
            start = f"{number}/"
            own = {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}
            member.report = self.report["members"][number]
            member._restore(own, state["members"][number])


def best_mean(
    outputs: Float[np.ndarray, "rows members"], label: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, " members"]:
    """Weights of the mean over members with the least squared error: not negative, of sum one.

    The sum is a row of its own in the least squares, heavy enough that it holds. Weights that were
    free to have another sum would make up for what members have in common, such as their bias.
    """
    errors = outputs - label[:, None]
    heavy = 1e4 * max(float(np.abs(errors).max()), 1e-12) * len(label) ** 0.5
    rows = np.vstack([errors, np.full(errors.shape[1], heavy)])
    weights, _ = nnls(rows, np.append(np.zeros(len(label)), heavy))
    return weights / weights.sum()
