"""How good rebuilt networks are: in their weights, and in what they do."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations.normalisation import LayerNormaliser
from graphwsl.populations.population import Population
from graphwsl.populations.running import run


def unexplained(
    original: Population, rebuilt: Population, train: Population
) -> Float[Tensor, " networks"]:
    """The squared error of each network's weights, over the variance of their layers.

    0 is perfect, and 1 what the mean of each layer gives.

    Args:
        original: Networks; aligned ones, where the method aligns what it reads.
        rebuilt: What a representation makes of them, in the same order.
        train: Networks whose layers say how much weights vary.

    Raises:
        RepresentationError: The two are not of the same architectures, or one is not among those of
            ``train``.
    """
    _require_alike(original, rebuilt)
    known = {a.digest: n for n, a in enumerate(train.architectures)}
    found = torch.zeros(len(original))
    for kind in original.kind.unique().tolist():
        architecture = original.architectures[kind]
        own = known.get(architecture.digest)
        if own is None or not bool((train.kind == own).any()):
            raise RepresentationError(
                f"no training network has the architecture of {architecture.name!r}, so that "
                "nothing says how much its weights vary"
            )
        scale = LayerNormaliser.fit(train.rows(own), architecture)
        members = (original.kind == kind).nonzero()[:, 0].tolist()
        rows = [torch.stack([some.states[n] for n in members]) for some in (original, rebuilt)]
        difference = scale.normalise(rows[0]) - scale.normalise(rows[1])
        found[members] = difference[:, scale.layer >= 0].square().mean(1)
    return found


def agreement(original: Population, rebuilt: Population, inputs: Any) -> Float[Tensor, " networks"]:
    """The share of samples for which each network and its reconstruction choose the same class.

    Args:
        original: Networks that take the inputs.
        rebuilt: What a representation makes of them, in the same order.
        inputs: Samples, of shape ``(samples, …)``.

    Raises:
        RepresentationError: The two are not of the same architectures.
        PredictorError: The networks do not take the inputs.
    """
    _require_alike(original, rebuilt)
    same, samples = torch.zeros(len(original)), len(inputs)
    for number, function in enumerate(original.functions):
        members = (original.function == number).nonzero()[:, 0].tolist()
        if not members:
            continue
        chosen = []
        for some in (original, rebuilt):
            rows = torch.stack([some.states[n] for n in members])
            classes = torch.zeros(len(members), samples, dtype=torch.int64)
            for networks, part, outputs in run(function, rows, inputs, samples):
                classes[networks, part] = outputs.argmax(2).cpu()
            chosen.append(classes)
        same[members] = (chosen[0] == chosen[1]).float().mean(1)
    return same


def _require_alike(original: Population, rebuilt: Population) -> None:
    if [len(state) for state in original.states] != [len(state) for state in rebuilt.states]:
        raise RepresentationError(
            f"{len(rebuilt)} networks are no reconstruction of {len(original)}, or of other "
            "architectures"
        )
