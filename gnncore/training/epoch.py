"""What happens within an epoch: one pass over the training data, and the validation after it."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor, nn

from gnncore.errors import TrainingError
from gnncore.training.checkpoints import TrainingState
from gnncore.training.dataset import Batch, Dataset
from gnncore.training.distributed import Processes, without_sync
from gnncore.training.forward import Forward, as_prediction
from gnncore.training.history import Row
from gnncore.training.loader import Loader
from gnncore.training.logs import Log
from gnncore.training.objectives import Objective
from gnncore.training.prediction import predict_on
from gnncore.training.seeding import stream, stream_seed
from gnncore.training.settings import TrainingSettings

Augment = Callable[[Batch, torch.Generator], Batch]


@dataclass(frozen=True)
class Run:
    """What the epochs of one training share.

    Attributes:
        state: What they change.
        trained: The model as it is trained: compiled, shared among processes.
        judge: The model as it is validated: compiled, or averaged.
        train: Training data, on the device if they are kept there.
        validation: This process's part of the validation data, likewise.
        targets: All validation data, on the CPU, for their labels.
        settings: How to train.
        objective: What to train for.
        forward: The prediction of a model for a batch.
        augment: Changes training batches.
        processes: Those that train together.
    """

    state: TrainingState
    trained: nn.Module
    judge: nn.Module
    train: Dataset
    validation: Dataset
    targets: Batch
    settings: TrainingSettings
    objective: Objective
    forward: Forward
    augment: Augment | None
    processes: Processes

    @cached_property
    def groups(self) -> Int[Tensor, " items"] | None:
        """What training items are grouped by.

        Raises:
            TrainingError: The items have no such number.
        """
        return item_groups(self.train, self.settings.group_by)

    def autocast(self) -> torch.autocast:
        """The context of mixed precision."""
        name = self.settings.mixed_precision
        return torch.autocast(
            self.processes.device.type,
            dtype=None if name is None else getattr(torch, name),
            enabled=name is not None,
        )


def item_groups(dataset: Dataset, name: str | None) -> Int[Tensor, " items"] | None:
    """The tensor of that name with one number an item; None without a name.

    Raises:
        TrainingError: The items have no such number.
    """
    if name is None:
        return None
    whole, items = dataset.whole(), len(dataset)
    numbers = {
        key: value
        for key in list(whole.keys())
        if isinstance(value := whole[key], Tensor) and value.ndim > 0 and len(value) == items
    }
    if name not in numbers:
        raise TrainingError(
            f"group_by {name!r} is no tensor of items; they have {', '.join(numbers) or 'none'}"
        )
    return numbers[name].cpu().reshape(items, -1)[:, 0].long()


def train_epoch(run: Run, epoch: int, logs: list[Log]) -> Row:
    """One pass over the training data; its row without the validation.

    Raises:
        TrainingError: The loss is not finite.
    """
    settings, rank = run.settings, run.processes.rank
    torch.manual_seed(stream_seed(settings.seed, epoch, "model", rank))
    noise = stream(settings.seed, epoch, "augment", rank)
    order = stream(settings.seed, epoch, "order")
    learning_rate = run.state.optimiser.param_groups[0]["lr"]
    sums, loading = torch.zeros(2, dtype=torch.float64), 0.0
    run.trained.train()
    start = time.perf_counter()
    loader = Loader(
        run.train,
        settings.batch_size,
        shuffle=True,
        generator=order,
        groups=run.groups,
        group_size=settings.group_size,
    )
    for step, items in enumerate(loader.items(), 1):
        begun = time.perf_counter()
        parts = _parts(run, items, noise)
        loading += time.perf_counter() - begun
        loss, size = _step(run, parts)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} in step {step} of epoch {epoch}; lower learning_rate "
                f"({settings.learning_rate:g}) or set clip_norm"
            )
        sums += torch.tensor([loss * size, size], dtype=torch.float64)
        for log in logs:
            log.graphs(len(items))
    total, labels = sums.tolist()
    return {
        "learning_rate": learning_rate,
        "loss": total / labels,
        "training_seconds": time.perf_counter() - start,
        "loading_seconds": loading,
    }


def _parts(
    run: Run, items: Int[Tensor, " items"], noise: torch.Generator
) -> list[tuple[Batch, Tensor]]:
    """What this process sees of a batch, part by part, with the size of each."""
    processes = run.processes
    own = items.tensor_split(processes.count * run.settings.accumulate)[
        processes.rank :: processes.count
    ]
    chunks = [chunk for chunk in own if len(chunk)]
    # All processes must take part in every step, so one without items passes one in vain.
    idle = not chunks
    parts = []
    for chunk in chunks or [items[:1]]:
        data = run.train.batch(chunk).to(processes.device, non_blocking=True)
        if run.augment is not None:
            data = run.augment(data, noise)
        size = run.objective.size(data).double()
        parts.append((data, torch.zeros_like(size) if idle else size))
    return parts


def _step(run: Run, parts: list[tuple[Batch, Tensor]]) -> tuple[float, float]:
    """One step of the optimiser; the loss of the whole batch and its size."""
    settings, state = run.settings, run.state
    size = run.processes.sum(torch.stack([size for _, size in parts]).sum())
    loss = torch.zeros_like(size)
    state.optimiser.zero_grad()
    for number, (data, part_size) in enumerate(parts, 1):
        with nullcontext() if number == len(parts) else without_sync(run.trained):
            with run.autocast():
                prediction = as_prediction(run.forward(run.trained, data))
            share = part_size / size.clamp(min=torch.finfo(size.dtype).tiny)
            part_loss = run.objective.loss(prediction, data) * share
            # Processes average their gradients, which are shares of the batch's.
            state.scaler.scale(part_loss * run.processes.count).backward()
        loss += part_loss.detach()
    state.scaler.unscale_(state.optimiser)
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip_norm)
    if settings.clip_value is not None:
        nn.utils.clip_grad_value_(state.model.parameters(), settings.clip_value)
    state.scaler.step(state.optimiser)
    state.scaler.update()
    state.schedule.step()
    if state.averaged is not None:
        state.averaged.update_parameters(state.model)
    return run.processes.sum(loss).item(), size.item()


def validate(run: Run, epoch: int) -> Row:
    """Loss and metrics on validation, the same on every process.

    Raises:
        TrainingError: The deciding metric is not known, or not finite.
    """
    start = time.perf_counter()
    settings, objective = run.settings, run.objective
    with run.autocast():
        own = predict_on(
            run.processes.device, run.judge, run.validation, settings.batch_size, run.forward
        )
    prediction = run.processes.gather(own).cpu()
    metrics = {"loss": objective.loss(prediction, run.targets).item()}
    metrics |= objective.metrics(prediction, run.targets)
    if objective.select_by not in metrics:
        raise TrainingError(
            f"select_by {objective.select_by!r} is no metric; choose one of {', '.join(metrics)}"
        )
    if not math.isfinite(metrics[objective.select_by]):
        raise TrainingError(
            f"{objective.select_by} on validation is {metrics[objective.select_by]} in epoch "
            f"{epoch}; lower learning_rate ({settings.learning_rate:g}), or select by a metric "
            "that these labels define"
        )
    return {f"validation_{name}": value for name, value in metrics.items()} | {
        "validation_seconds": time.perf_counter() - start
    }
