"""The sparse twins of some networks, which are pruned and tuned together.

Honegger, Schürholt, Borth, "Sparsified Model Zoo Twins", 2023.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphwsl.arguments import described
from graphwsl.errors import ZooError
from graphwsl.sparsification.masks import highest, magnitude, prunable
from graphwsl.sparsification.variational_dropout import VariationalTraining
from graphwsl.zoo.checkpoint import Scalar
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.batched_networks import BatchedNetworks
from graphwsl.zoo.training.chunk import TrainedChunk, train_chunk
from graphwsl.zoo.training.configurations import completed
from graphwsl.zoo.training.evaluation import BATCH
from graphwsl.zoo.training.fine_tuning import held_parts
from graphwsl.zoo.training.initialisation import initialised
from graphwsl.zoo.training.tuning import Tuning

METHODS = ("magnitude", "variational_dropout")
"""Ways to choose what goes."""


@dataclass(frozen=True, eq=False)
class Twins:
    """Networks after pruning and tuning.

    Attributes:
        trained: Their weights and metrics at one epoch: those of a training, ``agreement``, the
            share of test samples that a twin puts into the same class as its original, and
            ``sparsity``, the share of all pruned weights that are gone.
        masks: Which entries of the pruned weights there are. Shapes ``(models, ...)``.
    """

    trained: TrainedChunk
    masks: dict[str, Bool[Tensor, "..."]]


def make_twins(
    configurations: Sequence[Mapping[str, Scalar]],
    weights: Mapping[str, Tensor],
    data: DataSet,
    *,
    method: str,
    sparsity: Sequence[float],
    epochs: int,
    batch_size: int,
    epochs_before: int = 0,
    on_epoch: Callable[[], None] = lambda: None,
) -> Twins:
    """Prune networks and tune what is left of them, all together.

    Magnitude pruning keeps the largest weights and tunes them for all epochs; variational dropout
    learns for the first half of them how much noise every weight bears, keeps those that bear
    least, and tunes for the rest. Each network is pruned as a whole, not layer by layer.

    Of networks that hold all but their heads (``frozen``) the heads alone are pruned and tuned.

    Args:
        configurations: The generating factors of each network, which share what
            :func:`graphwsl.zoo.sweep.shaping` says.
        weights: Weights of all of them by name. Shapes ``(models, ...)``.
        data: What they learn.
        method: ``magnitude`` or ``variational_dropout``.
        sparsity: Share of the weights that go, of each network.
        epochs: Passes over the training samples.
        batch_size: Samples a step, unless it is a factor.
        epochs_before: Passes that the weights have behind them.
        on_epoch: Called after every epoch; what it raises ends the training.

    Raises:
        ZooError: The method is unknown, a sparsity is not between 0 and 1, or the networks cannot
            train on the data.
    """
    check_choices(method, sparsity, epochs)
    shares = torch.tensor(list(sparsity), dtype=torch.float64)
    held = held_parts(configurations[0], weights)
    module = initialised(completed(configurations, data)[0])
    names = [name for name in prunable(module) if name not in held]
    if not names:
        raise ZooError("what these networks learnt has no weights that could be pruned")
    began, done = dict(weights), 0
    if method == "magnitude":
        scores = magnitude(weights, names)
    else:
        done = epochs // 2
        tuning = Tuning(weights=weights, epochs=epochs_before)
        noisy = VariationalTraining(configurations, data, batch_size, tuning, done)
        for epoch in range(1, done + 1):
            noisy.train_epoch(epoch)
            on_epoch()
        began = noisy.weights
        scores = {name: -values for name, values in noisy.log_alphas.items()}
    masks = highest(scores, shares)
    trained = train_chunk(
        configurations,
        data,
        epochs=epochs - done,
        batch_size=batch_size,
        kept=[epochs - done],
        tuning=Tuning(weights=began, masks=masks, frozen=held, epochs=epochs_before + done),
        on_epoch=on_epoch,
    )
    metrics = dict(trained.metrics)
    metrics["sparsity"] = _share_gone(masks)[:, None]
    if data.classes is not None:
        tuned = {name: values[:, 0] for name, values in trained.weights.items()}
        own = _classes(configurations, weights, data)
        agreement = (own == _classes(configurations, tuned, data)).double().flatten(1).mean(1)
        metrics["agreement"] = agreement[:, None].float()
    return Twins(TrainedChunk(trained.weights, metrics, trained.usable), masks)


def check_choices(method: str, sparsity: Sequence[float], epochs: int) -> None:
    """Refuse what cannot be done, in one line.

    Raises:
        ZooError: The method is unknown, a sparsity is not between 0 and 1, or there are too few
            epochs for the method.
    """
    if method not in METHODS:
        raise ZooError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")
    for share in sparsity:
        if isinstance(share, bool) or not 0 < share < 1:
            raise ZooError(
                f"a sparsity must lie between 0 and 1 and be neither, got {described(share)}; 0.8 "
                "leaves a fifth of the weights"
            )
    least = 2 if method == "variational_dropout" else 1
    if not isinstance(epochs, int) or epochs < least:
        raise ZooError(f"{method} needs at least {least} epochs, got {described(epochs)}")


def _share_gone(masks: Mapping[str, Tensor]) -> Float[Tensor, " models"]:
    kept = torch.cat([mask.flatten(1) for mask in masks.values()], dim=1)
    return (~kept).double().mean(1).float()


@torch.no_grad()
def _classes(
    configurations: Sequence[Mapping[str, Scalar]], weights: Mapping[str, Tensor], data: DataSet
) -> Int[Tensor, "models samples ..."]:
    """The class that every network puts each test sample into."""
    module = initialised(completed(configurations, data)[0])
    networks = BatchedNetworks.of(module, len(data.sample_shape))
    parameters = [weights[name] for name in networks.names]
    buffers = [weights[name] for name in networks.buffer_names]
    found = []
    for samples in data.test.split(BATCH):
        surplus = -len(samples) % networks.batch_multiple
        padded = torch.cat([samples, samples[:1].expand(surplus, *samples.shape[1:])])
        x = networks.shared_images(padded, len(configurations))
        found.append(networks.logits(parameters, x, buffers=buffers).argmax(1)[:, : len(samples)])
    return torch.cat(found, dim=1)
