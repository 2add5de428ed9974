"""How networks classify the same samples: classes, errors, losses, and an ensemble."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from graphwsl.errors import GeneratorError
from graphwsl.generators.checks import is_measurable
from graphwsl.populations.evaluation import evaluate
from graphwsl.populations.population import Population

PART = 256
"""Networks whose outputs are held at once."""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Classes that networks choose for samples, and losses; of networks that are finite alone.

    Attributes:
        is_finite: Whether weights and outputs of each network are finite, and no weights too large
            for distances, shape ``(networks,)``.
        classes: Class that each finite network chooses, shape ``(finite, samples)``.
        is_wrong: Which of them are wrong, shape ``(finite, samples)``.
        ensemble_accuracy: Accuracy of the mean probabilities of the first finite networks.
        loss: Mean cross-entropy of each finite network, shape ``(finite,)``.
    """

    is_finite: Bool[Tensor, " networks"]
    classes: Int[Tensor, "finite samples"]
    is_wrong: Bool[Tensor, "finite samples"]
    ensemble_accuracy: float
    loss: Float[Tensor, " finite"]

    @property
    def accuracy(self) -> Float[Tensor, " finite"]:
        """Accuracy of each finite network."""
        return 1 - self.is_wrong.float().mean(dim=1)


def behaviour(
    population: Population, inputs: Any, labels: Int[Tensor, " samples"], ensemble: int, name: str
) -> Behaviour:
    """Run networks on samples.

    Args:
        population: The networks.
        inputs: Samples, as :func:`graphwsl.populations.evaluate` takes them.
        labels: The class of each sample.
        ensemble: So many of the first finite networks are the ensemble; all if there are fewer.
            Its probabilities are the means of the softmax of their outputs.
        name: Name of the networks, for messages.

    Raises:
        GeneratorError: No network is finite.
        PredictorError: The networks cannot take the inputs, or the labels do not fit them.
    """
    finite, classes, losses = [], [], []
    truth = labels.cpu()
    together, members = torch.zeros(()), 0
    for start in range(0, len(population), PART):
        part = population.select(range(start, min(start + PART, len(population))))
        found = evaluate(part, inputs, labels, outputs=True)
        assert found.outputs is not None
        is_finite = found.is_finite & is_measurable(torch.stack(part.states))
        finite.append(is_finite)
        for number in torch.nonzero(is_finite).flatten().tolist():
            outputs = found.outputs[number]
            classes.append(outputs.argmax(dim=1).cpu())
            losses.append(cross_entropy(outputs.double().cpu(), truth.long()))
            if members < ensemble:
                together = together + outputs.double().softmax(dim=1).cpu()
                members += 1
    if not classes:
        raise GeneratorError(f"no network of {name} is finite: none can be scored")
    chosen = torch.stack(classes)
    right = together.argmax(dim=1) == truth
    return Behaviour(
        torch.cat(finite),
        chosen,
        chosen != truth,
        float(right.float().mean()),
        torch.stack(losses),
    )
