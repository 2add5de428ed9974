"""What a representation can be learnt from and decode; the rest is refused in one line."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Population


def require_parts(train: Population, valid: Population) -> None:
    """Refuse populations that cannot be the training and the validation part.

    Raises:
        RepresentationError: Fewer than two training networks, no validation network, or one of an
            architecture that is not learnt from.
    """
    for name, part in (("train", train), ("valid", valid)):
        arguments.instance(name, part, Population, "a Population", "give Population.load(zoo)")
    if len(train) < 2 or not len(valid):
        raise RepresentationError(
            f"a representation is learnt from two networks at least and validated on one, got "
            f"{len(train)} and {len(valid)}"
        )
    if {a.digest for a in valid.present} - {a.digest for a in train.present}:
        raise RepresentationError(
            "a validation network has an architecture that no training network has; split the "
            "networks anew"
        )


def require_finite(population: Population) -> None:
    """Refuse a population without networks, or with weights that are not finite.

    Raises:
        RepresentationError: There are none, or the first one of such weights.
    """
    advice = "give Population.load(zoo)"
    arguments.instance("population", population, Population, "a Population", advice)
    if not len(population):
        raise RepresentationError("there are no networks; give at least one")
    for checkpoint, state in zip(population.checkpoints, population.states, strict=True):
        if not bool(state.isfinite().all()):
            raise RepresentationError(
                f"weights of {checkpoint.model!r}, epoch {checkpoint.epoch}, are not finite; leave "
                "the network out"
            )


def require_inputs(name: str, structure: float, train: Population, inputs: Tensor | None) -> None:
    """Refuse what networks cannot be run on, where what they do is compared.

    Raises:
        RepresentationError: There are no inputs, or some that the networks do not take.
    """
    if inputs is None:
        raise RepresentationError(
            f"{name!r} compares what networks do (structure={structure:g}); give inputs, samples "
            "without labels, or set structure=1"
        )
    arguments.instance("inputs", inputs, Tensor, "a torch.Tensor", "give samples without labels")
    if not len(inputs) or not bool(inputs.isfinite().all()):
        raise RepresentationError("inputs must be at least one sample, and finite")
    pairs = zip(train.kind.tolist(), train.function.tolist(), strict=True)
    for kind, number in dict.fromkeys(pairs):
        known = train.functions[number].inputs
        if isinstance(known, Tensor) and known.shape[1:] != inputs.shape[1:]:
            raise RepresentationError(
                f"networks {train.architectures[kind].name!r} take samples of shape "
                f"{tuple(known.shape[1:])}, the inputs are of shape {tuple(inputs.shape[1:])}"
            )


def stacked_latents(
    latents: Tensor | Sequence[Tensor], wanted: torch.Size
) -> Float[Tensor, "networks latents channels"]:
    """The latents of networks of one architecture, in one tensor.

    Args:
        latents: Those of each network, in a sequence or in a tensor.
        wanted: Their shape for one network, ``(latents, channels)``.

    Raises:
        RepresentationError: They are no tensors of numbers, or of another shape.
    """
    shape = f"({', '.join(map(str, wanted))})"
    advice = (
        f"give what encode gives, a tensor of shape {shape} for each network, or one of shape "
        f"(networks, {shape[1:]}"
    )
    if not isinstance(latents, Tensor | list | tuple):
        raise RepresentationError(f"cannot decode {type(latents).__name__}; {advice}")
    for one in latents:
        if not isinstance(one, Tensor) or not one.is_floating_point():
            raise RepresentationError(f"cannot decode {arguments.described(one)}; {advice}")
        if one.shape != wanted:
            given = tuple(latents.shape) if isinstance(latents, Tensor) else tuple(one.shape)
            raise RepresentationError(f"cannot decode latents of shape {given}; {advice}")
    return torch.stack([*latents]).float() if len(latents) else torch.zeros(0, *wanted)
