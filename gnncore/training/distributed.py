"""One process or several that train together (torchrun), seen through the same few operations."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gnncore.errors import TrainingError

_OF_TORCHRUN = ("RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Processes:
    """The processes of a training; one alone unless torchrun started more.

    Attributes:
        rank: Number of this process.
        count: Number of all.
        device: Where this process computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files and shows the progress."""
        return self.rank == 0

    def convert(self, model: nn.Module) -> nn.Module:
        """The model with batch norms that see the batches of all processes; on GPUs only."""
        if self.count > 1 and self.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with gradients averaged over the processes."""
        if self.count == 1:
            return model
        devices = [self.device] if self.device.type == "cuda" else None
        # The last layer of some graph models updates edges that nothing reads.
        return DistributedDataParallel(model, device_ids=devices, find_unused_parameters=True)

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes, the same on each."""
        if self.count > 1:
            value = value.clone()
            distributed.all_reduce(value)
        return value

    def own(self, things: Tensor) -> Tensor:
        """The contiguous part of ``things`` that falls to this process."""
        return things.tensor_split(self.count)[self.rank]

    def gather(self, rows: Shaped[Tensor, "rows *columns"]) -> Shaped[Tensor, "all_rows *columns"]:
        """The rows of all processes, in order of their rank."""
        if self.count == 1:
            return rows
        lengths = rows.new_zeros(self.count, dtype=torch.int64)
        lengths[self.rank] = len(rows)
        ends = self.sum(lengths).cumsum(0).tolist()
        together = rows.new_zeros(ends[-1], *rows.shape[1:])
        together[ends[self.rank] - len(rows) : ends[self.rank]] = rows
        return self.sum(together)


@contextmanager
def processes_on(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started, or be the only one.

    A process group that is already there is used and left alone.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.

    Raises:
        TrainingError: The device is not there, or the environment says that there are other
            processes, but not how to reach them.
    """
    own_group = _number("WORLD_SIZE", 1) > 1 and not distributed.is_initialized()
    if own_group:
        _require_torchrun()
    own = find_device(device)
    if own_group:
        distributed.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        together = distributed.is_available() and distributed.is_initialized()
        rank = distributed.get_rank() if together else 0
        yield Processes(rank, distributed.get_world_size() if together else 1, own)
    finally:
        if own_group:
            distributed.destroy_process_group()


def without_sync(model: nn.Module) -> AbstractContextManager[None]:
    """Keeps the gradients of a wrapped model to itself until the last part of a batch."""
    if isinstance(model, DistributedDataParallel):
        return model.no_sync()
    return nullcontext()


def _require_torchrun() -> None:
    missing = [name for name in _OF_TORCHRUN if not os.environ.get(name)]
    if missing:
        raise TrainingError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {missing[0]} is not set; start the "
            "processes with torchrun, or unset WORLD_SIZE"
        )
    if _number("RANK", 0) >= _number("WORLD_SIZE", 1):
        raise TrainingError(
            f"RANK must be below WORLD_SIZE {os.environ['WORLD_SIZE']}, got {os.environ['RANK']}"
        )


def _number(variable: str, default: int) -> int:
    """The value of an environment variable that counts processes."""
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or len(text) > 9:
        raise TrainingError(f"the environment variable {variable} must be a number, got {text!r}")
    return int(text)


def find_device(name: str) -> torch.device:
    """The device of a name, as :class:`gnncore.training.TrainingSettings` takes it.

    Raises:
        TrainingError: The device is not there.
    """
    there = torch.cuda.is_available()
    if name == "cpu" or (name == "auto" and not there):
        return torch.device("cpu")
    number = int(name.partition(":")[2] or _number("LOCAL_RANK", 0))
    if not there or number >= torch.cuda.device_count():
        raise TrainingError(f"device {name!r} is not there; choose 'cpu' or 'auto'")
    return torch.device("cuda", number)
