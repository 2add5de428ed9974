"""How good thousands of networks are, run in batches instead of one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.errors import PredictorError
from graphwsl.populations.population import Population
from graphwsl.populations.running import run


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How networks do on the same samples.

    Attributes:
        accuracy: Share of samples whose largest output is that of the label, shape
            ``(networks,)``; NaN where a network is not finite.
        is_finite: Whether all weights of a network and all its outputs are finite, shape
            ``(networks,)``.
        outputs: Outputs of every network, shape ``(samples, classes)``; None unless asked for.
    """

    accuracy: Float[Tensor, " networks"]
    is_finite: Bool[Tensor, " networks"]
    outputs: list[Float[Tensor, "samples classes"]] | None = None


def evaluate(
    population: Population, inputs: Any, labels: Int[Tensor, " samples"], *, outputs: bool = False
) -> Evaluation:
    """The accuracy of every network of a population on the same samples.

    Args:
        population: Networks of any architectures that take these inputs.
        inputs: Samples, such as images of shape ``(samples, channels, height, width)``; a sequence
            of tensors for networks of several arguments, a mapping for named ones. Networks run on
            the device that these are on.
        labels: The class of each sample, from 0.
        outputs: Keep all outputs too.

    Raises:
        PredictorError: The labels do not fit the inputs, a network cannot take the inputs, or its
            outputs are no classes.
    """
    samples = _num_samples(inputs, labels)
    right = torch.zeros(len(population), dtype=torch.float64)
    is_finite = torch.ones(len(population), dtype=torch.bool)
    kept: list[Tensor] = [torch.empty(0)] * len(population)
    for number, function in enumerate(population.functions):
        members = (population.function == number).nonzero()[:, 0]
        if not len(members):
            continue
        rows = torch.stack([population.states[member] for member in members.tolist()])
        is_finite[members] = rows.isfinite().all(1)
        for networks, part, found in run(function, rows, inputs, samples):
            if found.ndim != 3 or found.shape[1] != len(labels[part]):
                raise PredictorError(
                    "accuracy needs outputs of shape (samples, classes), the networks "
                    f"{function.architecture.name!r} gave {tuple(found.shape[1:])}"
                )
            own = members[networks]
            right[own] += (found.argmax(2) == labels[part].to(found.device)).sum(1).double().cpu()
            is_finite[own] &= found.flatten(1).isfinite().all(1).cpu()
            if outputs:
                for member, one in zip(own.tolist(), found, strict=True):
                    if part.start == 0:
                        kept[member] = one.new_empty(samples, *one.shape[1:])
                    kept[member][part] = one
    accuracy = torch.where(is_finite, right / samples, torch.nan).float()
    return Evaluation(accuracy, is_finite, kept if outputs else None)


def _num_samples(inputs: Any, labels: Int[Tensor, " samples"]) -> int:
    parts = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    parts = [parts] if isinstance(parts, Tensor) else list(parts)
    sizes = {len(part) for part in parts}
    if sizes != {len(labels)} or not len(labels):
        raise PredictorError(
            f"there must be a label for each sample and at least one, got {len(labels)} labels for "
            f"{' and '.join(map(str, sorted(sizes)))} samples"
        )
    return len(labels)
