"""Mini-batches of a data set."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from gnncore.errors import TrainingError
from gnncore.training.dataset import Batch, Dataset


class Loader:
    """Batches of all items of a data set, in order or shuffled; the last one may be smaller.

    It takes the place of PyG's ``DataLoader`` where the data fit into memory: a batch costs a few
    index operations, not a collation of Python objects, so that no worker processes are needed.

    >>> from gnncore.training import GraphStore
    >>> from torch_geometric.data import Data
    >>> graphs = [Data(x=torch.ones(n, 1), edge_index=torch.empty(2, 0).long()) for n in (1, 2, 3)]
    >>> [batch.ptr.tolist() for batch in Loader(GraphStore.from_data_list(graphs), batch_size=2)]
    [[0, 1, 3], [0, 3]]

    Args:
        dataset: Graphs, rows or whatever; batches lie where it does.
        batch_size: Items a batch.
        shuffle: Draw a new order for every pass.
        generator: Source of the order, on the CPU; None takes torch's own.
        groups: A number an item, on the CPU; shuffled batches are put together from groups of
            items with the same number. None mixes all.
        group_size: Items of a group; the last of a number may be smaller.

    Raises:
        TrainingError: ``batch_size`` or ``group_size`` is not positive.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        groups: Int[Tensor, " items"] | None = None,
        group_size: int = 16,
    ) -> None:
        for name, size in (("batch_size", batch_size), ("group_size", group_size)):
            if size < 1:
                raise TrainingError(f"{name} must be at least 1, got {size}")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.groups = groups
        self.group_size = group_size

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return map(self.dataset.batch, self.items())

    def items(self) -> Iterator[Int[Tensor, " items"]]:
        """The numbers of the items of each batch, for those who split batches further."""
        count = len(self.dataset)
        if not count:
            return iter(())
        order = self._shuffled(count) if self.shuffle else torch.arange(count)
        return iter(torch.split(order, self.batch_size))

    def _shuffled(self, count: int) -> Int[Tensor, " items"]:
        order = torch.randperm(count, generator=self.generator)
        if self.groups is None or bool((self.groups == self.groups[0]).all()):
            return order
        order = order[self.groups[order].argsort(stable=True)]
        _, sizes = self.groups[order].unique_consecutive(return_counts=True)
        groups = [
            group
            for members in order.split(sizes.tolist())
            for group in members.split(self.group_size)
        ]
        order = torch.randperm(len(groups), generator=self.generator)
        return torch.cat([groups[number] for number in order.tolist()])
