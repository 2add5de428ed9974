"""What each network of a population learns: the labels of its signal, with its own noise."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.objectives.registry import objective_of
from graphwsl.zoo.training.streams import stream

Configurations = Sequence[Mapping[str, Scalar]]


def require_labels(configurations: Configurations, data: DataSet) -> None:
    """Check that the data have what the factors ask of them.

    Raises:
        ZooError: A signal that is not there, noise of labels that are no classes, or an objective
            that is unknown or cannot be learned from them.
    """
    named = {factors.get("objective"): factors for factors in configurations}
    for objective in map(objective_of, named.values()):
        if objective is not None:
            objective.require(data)
    signals = {factors.get("signal") for factors in configurations} - {None}
    beyond = [signal for signal in signals if int(signal or 0) >= (data.signals or 0)]
    if beyond:
        has = f"{data.signals} signals" if data.signals else "one signal"
        raise ZooError(f"there is no signal {beyond[0]}: the data have {has}, counted from 0")
    noisy = any(factors.get("label_noise") for factors in configurations)
    if noisy and (data.classes is None or data.classes < 2 or data.label_shape):
        raise ZooError("label_noise needs data with one of several classes a sample")


def labels_of(
    labels: Tensor, data: DataSet, configurations: Configurations
) -> Shaped[Tensor, "models samples *label"]:
    """The labels of each network: those of its signal, the first by default, or the same for all.

    Args:
        labels: Labels of the training or the test samples.
        data: What they are of.
        configurations: The generating factors of each network.
    """
    if data.signals is None:
        return labels.expand(len(configurations), *labels.shape)
    return labels[[int(factors.get("signal") or 0) for factors in configurations]]


def with_noise(
    labels: Shaped[Tensor, "models samples *label"], data: DataSet, configurations: Configurations
) -> Shaped[Tensor, "models samples *label"]:
    """Labels of which each network's share is drawn evenly from the other classes.

    Args:
        labels: Labels of the training samples.
        data: What they are of.
        configurations: The generating factors of each network: ``label_noise`` and ``seed``.
    """
    shares = [float(factors.get("label_noise") or 0) for factors in configurations]
    if not any(shares):
        return labels
    labels = labels.clone()
    for own, share, factors in zip(labels, shares, configurations, strict=True):
        generator = stream(int(factors["seed"] or 0), "label_noise")
        chosen = torch.randperm(len(own), generator=generator)[: round(share * len(own))]
        shift = torch.randint(1, data.classes or 2, (len(chosen),), generator=generator)
        own[chosen] = (own[chosen] + shift) % (data.classes or 2)
    return labels
