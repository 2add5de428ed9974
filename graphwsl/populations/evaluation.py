"""How good thousands of networks are, run in batches instead of one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GraphwslError, PredictorError
from graphwsl.populations.population import Function, Population
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
            At most 256 samples run together: networks whose outputs depend on the other samples, as
            by batch norm without running statistics, have those of such batches.
        labels: The class of each sample, from 0.
        outputs: Keep all outputs too.

    Raises:
        PredictorError: The labels do not fit the inputs, a network cannot take the inputs, or its
            outputs are no classes.
    """
    arguments.instance("population", population, Population, "a Population", "load one")
    samples = _num_samples(inputs, labels)
    least, most = int(labels.min()), int(labels.max())
    right = torch.zeros(len(population), dtype=torch.float64)
    is_finite = torch.ones(len(population), dtype=torch.bool)
    kept: list[Tensor] = [torch.empty(0)] * len(population)
    for number, function in enumerate(population.functions):
        members = (population.function == number).nonzero()[:, 0]
        if not len(members):
            continue
        rows = torch.stack([population.states[member] for member in members.tolist()])
        is_finite[members] = rows.isfinite().all(1)
        for networks, part, found in _run(function, rows, inputs, samples):
            if found.ndim != 3 or found.shape[1] != len(labels[part]):
                raise PredictorError(
                    "accuracy needs outputs of shape (samples, classes), the networks "
                    f"{function.architecture.name!r} gave {tuple(found.shape[1:])}"
                )
            if not 0 <= least <= most < found.shape[2]:
                raise PredictorError(
                    f"labels must be from 0 to {found.shape[2] - 1}, one less than the outputs of "
                    f"{function.architecture.name!r}, got {least} to {most}"
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


def _run(
    function: Function, rows: Float[Tensor, "networks entries"], inputs: Any, samples: int
) -> Iterator[tuple[list[int], slice, Tensor]]:
    try:
        yield from run(function, rows, inputs, samples)
    except GraphwslError as error:
        wanted = function.inputs
        if isinstance(wanted, Tensor) and isinstance(inputs, Tensor):
            taken, given = tuple(wanted.shape[1:]), tuple(inputs.shape[1:])
            if taken != given:
                raise PredictorError(
                    f"networks {function.architecture.name!r} take samples of shape {taken}, got "
                    f"{given}"
                ) from error
        raise


def _num_samples(inputs: Any, labels: Any) -> int:
    is_whole = isinstance(labels, Tensor) and not (
        labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool
    )
    if not is_whole or labels.ndim != 1:
        raise PredictorError(
            "labels must be a tensor of whole numbers, one a sample, got "
            f"{arguments.described(labels)}"
        )
    parts = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    parts = [*parts] if isinstance(parts, Sequence) and not isinstance(parts, str) else [parts]
    for part in parts:
        if not isinstance(part, Tensor) or not part.ndim:
            raise PredictorError(
                f"inputs must be tensors of samples, got {arguments.described(part)}"
            )
    sizes = {len(part) for part in parts}
    if sizes != {len(labels)} or not len(labels):
        raise PredictorError(
            f"there must be a label for each sample and at least one, got {len(labels)} labels for "
            f"{' and '.join(map(str, sorted(sizes)))} samples"
        )
    return len(labels)
