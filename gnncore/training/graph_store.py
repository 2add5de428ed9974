"""All graphs of a data set in a few contiguous tensors, so that a batch is a matter of indexing."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import Batch, Data

from gnncore.errors import TrainingError
from gnncore.training.dataset import Dataset, item_numbers

Level = Literal["node", "edge", "graph"]
LEVELS: tuple[Level, ...] = get_args(Level)
# A copy costs far less than a call of Batch, which makes a new class every time.
_EMPTY_BATCH = Batch(_base_cls=Data)
_POINTERS: dict[Level, str] = {"node": "pointer.node", "edge": "pointer.edge"}


@dataclass(frozen=True, eq=False)
class GraphStore(Dataset):
    """Graphs laid end to end: collated once, batched by index, without Python per graph.

    Every tensor belongs to the nodes, the edges or the graphs. Tensors whose name contains
    ``index`` or is ``face`` hold node numbers within their own graph, lie along the last
    dimension and are shifted in a batch, as everywhere in PyG; all others lie along the first.
    Build a store with :meth:`from_data_list`, or from stored arrays with :meth:`from_arrays`.

    Attributes:
        tensors: The data by name, such as ``x``, ``edge_index``, ``edge_attr``, ``y``, ``y_mask``.
        levels: What the rows of each tensor are: ``node``, ``edge`` or ``graph``.
        pointers: For each level, where graph i begins (entry i) and ends (entry i + 1).
    """

    tensors: dict[str, Tensor]
    levels: dict[str, Level]
    pointers: dict[Level, Int[Tensor, " graphs_and_end"]] = field(repr=False)

    @classmethod
    def from_data_list(
        cls, graphs: Iterable[Data], *, exclude_keys: Sequence[str] = ()
    ) -> "GraphStore":
        """A store of PyG graphs that all have the same attributes.

        Numbers become tensors with one entry a graph, as in PyG's batches.

        Args:
            graphs: At least one graph.
            exclude_keys: Attributes to leave out, such as names.

        Raises:
            TrainingError: No graphs, attributes that differ between graphs, an attribute that is
                no tensor or number, or one with neither a row a node, a row an edge nor one row.
        """
        graphs = list(graphs)
        if not graphs:
            raise TrainingError("a store needs at least one graph, got an empty list")
        keys = [key for key in graphs[0].to_dict() if key not in (*exclude_keys, "num_nodes")]
        for number, graph in enumerate(graphs):
            _check_keys(graph, number, keys, exclude_keys)
        counts: dict[Level, list[int]] = {
            "node": [int(graph.num_nodes or 0) for graph in graphs],
            "edge": [graph.num_edges for graph in graphs],
            "graph": [1] * len(graphs),
        }
        tensors, levels = {}, {}
        for key in keys:
            values = [_as_tensor(key, graph[key]) for graph in graphs]
            sizes = [value.size(_dim(key)) for value in values]
            levels[key] = _level_of(key, sizes, counts)
            tensors[key] = torch.cat(values, dim=_dim(key)).contiguous()
        return cls(tensors, levels, {level: _ends(counts[level]) for level in LEVELS})

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "GraphStore":
        """The store that :meth:`to_arrays` took apart.

        Raises:
            TrainingError: Names, lengths, pointers or node numbers that no store has.
        """
        pointers: dict[Level, Tensor] = {}
        for level, name in _POINTERS.items():
            pointer = torch.from_numpy(np.array(arrays.get(name, ())))
            if pointer.ndim != 1 or not len(pointer) or pointer.dtype != torch.int64:
                raise TrainingError(f"a store needs {name!r}, a list of 64-bit integers")
            pointers[level] = pointer
        pointers["graph"] = torch.arange(len(pointers["node"]))
        tensors: dict[str, Tensor] = {}
        levels: dict[str, Level] = {}
        for name, array in arrays.items():
            if name in _POINTERS.values():
                continue
            prefix, _, key = name.partition(".")
            known = [level for level in LEVELS if level == prefix]
            if not known or not key:
                raise TrainingError(f"array {name!r} names no level; write 'node.x' or the like")
            tensors[key], levels[key] = torch.from_numpy(np.array(array)), known[0]
        store = cls(tensors, levels, pointers)
        store._check()
        return store

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything in flat, named arrays, as :func:`gnncore.storage.save_tensors` stores them.

        Raises:
            TrainingError: A tensor is bfloat16, which NumPy does not have.
        """
        for key, tensor in self.tensors.items():
            if tensor.dtype == torch.bfloat16:
                raise TrainingError(f"{key!r} is bfloat16, which files cannot hold; use float32")
        arrays = {
            f"{self.levels[key]}.{key}": tensor.cpu().numpy()
            for key, tensor in self.tensors.items()
        }
        return arrays | {name: self.pointers[level].numpy() for level, name in _POINTERS.items()}

    def __len__(self) -> int:
        return len(self.pointers["graph"]) - 1

    @property
    def num_nodes(self) -> int:
        """Nodes of all graphs together."""
        return int(self.pointers["node"][-1])

    @property
    def num_rows(self) -> int:
        """Nodes of all graphs together, on which layers work."""
        return self.num_nodes

    @property
    def device(self) -> torch.device:
        """Where the tensors lie; the pointers stay on the CPU."""
        return next((tensor.device for tensor in self.tensors.values()), torch.device("cpu"))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of names, shapes, types and values; equal stores have equal hashes."""
        digest = hashlib.sha256()
        for name, array in sorted(self.to_arrays().items()):
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def __getitem__(self, graph: int) -> Data:
        """Graph number ``graph``, as views of the store."""
        if not -len(self) <= graph < len(self):
            raise IndexError(f"graph {graph} of a store of {len(self)}")
        graph %= len(self)
        data = Data()
        for key, tensor in self.tensors.items():
            start, end = self.pointers[self.levels[key]][graph : graph + 2].tolist()
            data[key] = tensor.narrow(_dim(key), start, end - start)
        if "node" not in self.levels.values():
            data.num_nodes = int(self.pointers["node"][graph : graph + 2].diff())
        return data

    def __iter__(self) -> Iterator[Data]:
        return (self[graph] for graph in range(len(self)))

    def select(self, graphs: Sequence[int] | Tensor) -> "GraphStore":
        """A store of these graphs, in this order; a copy.

        Args:
            graphs: Numbers of graphs; repetitions are allowed.

        Raises:
            TrainingError: A number that no graph has.
        """
        return self._take(self._numbers(graphs))

    def batch(self, graphs: Sequence[int] | Tensor) -> Batch:
        """One disconnected graph of these graphs, equal to PyG's ``Batch.from_data_list``.

        Args:
            graphs: Numbers of graphs, at least one; repetitions are allowed.

        Returns:
            A PyG batch with ``batch``, ``ptr`` and ``num_graphs``.

        Raises:
            TrainingError: No graph, or a number that no graph has.
        """
        chosen = self._numbers(graphs)
        if not len(chosen):
            raise TrainingError("a batch needs at least one graph, got no numbers")
        return self._take(chosen).whole()

    def whole(self) -> Batch:
        """All graphs as one batch; shares the store's tensors where nothing is shifted.

        Raises:
            TrainingError: The store is empty.
        """
        if not len(self):
            raise TrainingError("a batch needs at least one graph, the store is empty")
        device = self.device
        counts = {level: pointer.diff().to(device) for level, pointer in self.pointers.items()}
        starts = self.pointers["node"].to(device)
        batch = copy(_EMPTY_BATCH)
        for key, tensor in self.tensors.items():
            if _holds_numbers_of_nodes(key):
                level = self.levels[key]
                size = int(self.pointers[level][-1])
                tensor = tensor + starts[:-1].repeat_interleave(counts[level], output_size=size)
            batch[key] = tensor
        if "node" not in self.levels.values():
            batch.num_nodes = self.num_nodes
            batch._num_nodes = self.pointers["node"].diff().tolist()
        numbers = torch.arange(len(self), device=device)
        batch.batch = numbers.repeat_interleave(counts["node"], output_size=self.num_nodes)
        batch.ptr = starts
        # What PyG keeps to take a batch apart again (get_example, to_data_list).
        batch._num_graphs = len(self)
        batch._slice_dict = {key: self.pointers[self.levels[key]] for key in self.tensors}
        batch._inc_dict = {
            key: starts if _holds_numbers_of_nodes(key) else torch.zeros_like(starts)
            for key in self.tensors
        }
        return batch

    def to(self, device: torch.device | str) -> "GraphStore":
        """The store on another device."""
        return GraphStore(
            {key: tensor.to(device) for key, tensor in self.tensors.items()},
            self.levels,
            self.pointers,
        )

    def __repr__(self) -> str:
        shapes = ", ".join(f"{key}={list(t.shape)}" for key, t in self.tensors.items())
        return f"GraphStore(graphs={len(self)}, {shapes})"

    def _numbers(self, graphs: Sequence[int] | Tensor) -> Int[Tensor, " graphs"]:
        return item_numbers(graphs, len(self), f"a store of {len(self)} graphs")

    def _take(self, graphs: Int[Tensor, " graphs"]) -> "GraphStore":
        rows, pointers = {}, {}
        device = self.device
        for level in LEVELS:
            rows[level], pointers[level] = _gather(self.pointers[level], graphs, device)
        tensors = {
            key: tensor.index_select(_dim(key), rows[self.levels[key]])
            for key, tensor in self.tensors.items()
        }
        return GraphStore(tensors, self.levels, pointers)

    def _check(self) -> None:
        for level in LEVELS:
            pointer = self.pointers[level]
            if len(pointer) != len(self) + 1 or pointer[0] != 0 or (pointer.diff() < 0).any():
                raise TrainingError(
                    f"the pointer of the {level}s does not rise from 0, graph by graph"
                )
        for key, tensor in self.tensors.items():
            rows = int(self.pointers[self.levels[key]][-1])
            if not tensor.ndim or tensor.size(_dim(key)) != rows:
                raise TrainingError(
                    f"{key!r} of shape {tuple(tensor.shape)} needs {rows} rows, one a "
                    f"{self.levels[key]}"
                )
            if _holds_numbers_of_nodes(key) and len(self):
                nodes = (
                    self.pointers["node"]
                    .diff()
                    .repeat_interleave(self.pointers[self.levels[key]].diff())
                )
                if tensor.numel() and (int(tensor.min()) < 0 or bool((tensor >= nodes).any())):
                    raise TrainingError(f"{key!r} names nodes that its graph does not have")


def _holds_numbers_of_nodes(key: str) -> bool:
    return "index" in key or key == "face"  # the rule of torch_geometric.data.Data.__inc__


def _dim(key: str) -> int:
    return -1 if _holds_numbers_of_nodes(key) else 0


def _gather(
    pointer: Int[Tensor, " graphs_and_end"], graphs: Int[Tensor, " chosen"], device: torch.device
) -> tuple[Int[Tensor, " rows"], Int[Tensor, " chosen_and_end"]]:
    """Rows of the chosen graphs, in order, and where each graph then begins and ends."""
    start = pointer[graphs]
    length = pointer[graphs + 1] - start
    ends = torch.nn.functional.pad(length.cumsum(0), (1, 0))
    total = int(ends[-1])
    # Lengths are summed on the CPU, so that a batch on a GPU is queued without waiting for it.
    shift = (start - ends[:-1]).to(device, non_blocking=True)
    rows = shift.repeat_interleave(length.to(device, non_blocking=True), output_size=total)
    return rows + torch.arange(total, device=device), ends


def _ends(counts: list[int]) -> Int[Tensor, " graphs_and_end"]:
    return torch.nn.functional.pad(torch.tensor(counts, dtype=torch.int64).cumsum(0), (1, 0))


def _as_tensor(key: str, value: Any) -> Tensor:
    if isinstance(value, Tensor) and value.layout == torch.strided:
        return value.reshape(1) if value.ndim == 0 else value
    if isinstance(value, bool | int | float):
        return torch.tensor([value])
    raise TrainingError(
        f"attribute {key!r} is a {type(value).__name__}; a store holds dense tensors and numbers, "
        "leave others out with exclude_keys"
    )


def _check_keys(graph: Data, number: int, keys: list[str], exclude_keys: Sequence[str]) -> None:
    found = {key for key in graph.to_dict() if key not in (*exclude_keys, "num_nodes")}
    if found != set(keys):
        odd = sorted(found ^ set(keys))[0]
        raise TrainingError(f"attribute {odd!r} is not in all graphs, see graph {number}")
    for key in keys:
        if "batch" in key or key in ("ptr", "num_graphs"):
            raise TrainingError(f"attribute {key!r} belongs to batches; rename it or exclude it")


def _level_of(key: str, sizes: list[int], counts: dict[Level, list[int]]) -> Level:
    for level in LEVELS:  # where two levels fit, their pointers are the same
        if sizes == counts[level]:
            return level
    number = next(i for i, size in enumerate(sizes) if size != counts["node"][i])
    raise TrainingError(
        f"attribute {key!r} has {sizes[number]} rows in graph {number}, which fits neither its "
        f"{counts['node'][number]} nodes nor its {counts['edge'][number]} edges nor one graph"
    )
