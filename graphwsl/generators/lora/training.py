"""Adapters of one frozen network for many tasks, trained together.

All begin alike and see batches in the same order, so that what differs between them is the tasks'.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn import functional

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.low_rank import FIRST, SECOND, Pairs, low_rank_layers

IGNORED = -100
"""Label of what is not learnt, such as the tokens of a question."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""From the outputs of a batch and its labels to a number."""


@dataclass(frozen=True, eq=False)
class Adaptation:
    """Adapters of all tasks at some steps of their training.

    Attributes:
        pairs: A and B of every layer, of shape ``(tasks, snapshots, …)``.
        steps: Steps after which they were kept.
        losses: Mean training loss since the last of them, of shape ``(tasks, snapshots)``.
    """

    pairs: Pairs
    steps: list[int]
    losses: Float[Tensor, "tasks snapshots"]


def cross_entropy(outputs: Float[Tensor, "*batch classes"], labels: Tensor) -> Tensor:
    """Mean cross-entropy over all labels that are not :data:`IGNORED`.

    Args:
        outputs: Logits.
        labels: Classes, one a row of logits.
    """
    return functional.cross_entropy(outputs.flatten(0, -2), labels.flatten(), ignore_index=IGNORED)


def train_adapters(
    network: nn.Module,
    inputs: Shaped[Tensor, "..."],
    labels: Shaped[Tensor, "tasks samples *label"],
    *,
    steps: int = 300,
    batch_size: int = 64,
    learning_rate: float = 1e-2,
    weight_decay: float = 0.0,
    keep: Sequence[int] | None = None,
    loss: Loss = cross_entropy,
    seed: int = 0,
) -> Adaptation:
    """Train the adapters of a network for each of many tasks, all else frozen, by AdamW.

    The rate falls to zero along half a cosine.

    Args:
        network: What :func:`~graphwsl.generators.lora.adapted` gives; every task begins with its
            adapters.
        inputs: Samples that all tasks share, ``(samples, …)``, or ``(tasks, samples, …)``; the
            labels decide which: they are shared where the first dimension is not that of tasks.
        labels: The labels of every task.
        steps: Batches.
        batch_size: Samples of a batch.
        learning_rate: Rate at the beginning.
        weight_decay: Decay of A and B, decoupled from the gradient.
        keep: Steps after which adapters are kept; the last one by default.
        loss: Loss of a batch of one task.
        seed: Seed of the order of batches.

    Raises:
        GeneratorError: Inputs and labels that do not fit together, labels that are no classes where
            these are learnt, steps that do not come, or losses that are not finite.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        arguments.whole(name, value, 1)
    arguments.positive("learning_rate", learning_rate)
    kept = [steps] if keep is None else sorted(set(keep))
    if not kept or not 0 < kept[0] <= kept[-1] <= steps:
        raise GeneratorError(f"steps to keep must be from 1 to {steps}, got {list(keep or ())}")
    own = _own_inputs(inputs, labels)
    if loss is cross_entropy:
        _require_classes(network, inputs[0] if own else inputs, labels)
    tasks, samples = labels.shape[:2]
    layers = low_rank_layers(network)
    shared = {k: v.detach() for k, v in (*network.named_parameters(), *network.named_buffers())}
    learnt = [name + ending for name in layers for ending in (FIRST, SECOND)]
    weights = {name: shared.pop(name).expand(tasks, -1, -1).clone() for name in learnt}

    def loss_of(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(network, {**shared, **weights}, (x,)), y)

    gradients = vmap(grad_and_value(loss_of), in_dims=(0, 0 if own else None, 0))
    optimiser = torch.optim.AdamW([*weights.values()], lr=learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = _batches(samples, min(batch_size, samples), torch.Generator().manual_seed(seed))
    found: dict[str, list[Tensor]] = {name: [] for name in learnt}
    losses, since = [], torch.zeros(tasks)
    for step in range(1, steps + 1):
        batch = next(order)
        x = inputs[:, batch] if own else inputs[batch]
        slopes, values = gradients(weights, x, labels[:, batch])
        for name, weight in weights.items():
            weight.grad = slopes[name]
        optimiser.step()
        schedule.step()
        since = since + values
        if step in kept:
            if not bool(since.isfinite().all()):
                raise GeneratorError(
                    f"losses are not finite at step {step}; lower learning_rate={learning_rate:g}, "
                    "and look whether inputs and labels are finite"
                )
            last = kept[kept.index(step) - 1] if step != kept[0] else 0
            losses.append(since / (step - last))
            since = torch.zeros(tasks)
            for name, weight in weights.items():
                found[name].append(weight.clone())
    stacked = {name: torch.stack(parts, dim=1) for name, parts in found.items()}
    pairs = {name: (stacked[name + FIRST], stacked[name + SECOND]) for name in layers}
    return Adaptation(pairs, kept, torch.stack(losses, dim=1))


def _own_inputs(inputs: Any, labels: Any) -> bool:
    """Whether every task has inputs of its own."""
    for name, value in (("inputs", inputs), ("labels", labels)):
        arguments.instance(name, value, Tensor, "a torch.Tensor", "stack what all tasks have")
    if labels.ndim < 2 or not labels.numel():
        raise GeneratorError(
            f"labels must be of shape (tasks, samples, …), got {tuple(labels.shape)}"
        )
    if inputs.ndim > 1 and inputs.shape[:2] == labels.shape[:2]:
        return True
    if len(inputs) != labels.shape[1]:
        raise GeneratorError(
            f"inputs of shape {tuple(inputs.shape)} are neither those of all tasks nor of each of "
            f"{labels.shape[0]} tasks with {labels.shape[1]} samples"
        )
    return False


@torch.no_grad()
def _require_classes(network: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """Refuse labels that are no classes of the network's outputs."""
    classes = network(inputs[:1]).shape[-1]
    known = labels[labels != IGNORED]
    least, most = (known.min().item(), known.max().item()) if len(known) else (0, 0)
    if labels.is_floating_point() or not 0 <= least <= most < classes:
        raise GeneratorError(
            f"labels must be whole numbers from 0 to {classes - 1}, one less than the outputs, got "
            f"{least} to {most} of {labels.dtype}; give loss= for others"
        )


def _batches(samples: int, size: int, generator: torch.Generator) -> Any:
    """Batches without end; every sample once before any comes again, but for an incomplete rest."""
    while True:
        yield from torch.randperm(samples, generator=generator)[: samples // size * size].split(
            size
        )
