"""Where the parameters of a small CNN lie in a row of numbers that Keras flattened."""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from gnncore.storage import read_bytes
from graphwsl.errors import ZooError

PUBLISHED_LAYOUT = (
    ("sequential/conv2d/bias:0", (16,)),
    ("sequential/conv2d/kernel:0", (3, 3, 1, 16)),
    ("sequential/conv2d_1/bias:0", (16,)),
    ("sequential/conv2d_1/kernel:0", (3, 3, 16, 16)),
    ("sequential/conv2d_2/bias:0", (16,)),
    ("sequential/conv2d_2/kernel:0", (3, 3, 16, 16)),
    ("sequential/dense/bias:0", (10,)),
    ("sequential/dense/kernel:0", (16, 10)),
)
_LAYERS = ("module_list.0", "module_list.3", "module_list.6", "module_list.11")


@dataclass(frozen=True)
class Variable:
    """Where a parameter lies in a row of the weights.

    Attributes:
        name: Its name in the state dict of torch.
        columns: Its part of the row.
        shape: That of Keras: (height, width, inputs, outputs) or (inputs, outputs).
    """

    name: str
    columns: slice
    shape: tuple[int, ...]

    def of(self, row: Float[Tensor, " parameters"]) -> Tensor:
        """The values of the parameter in a row, in the shape and order of torch."""
        value = row[self.columns].reshape(self.shape)
        order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim)
        return value.clone() if order is None else value.permute(order).contiguous()


def variables(path: Path, columns: int) -> list[Variable]:
    """What the columns of the weights are.

    Args:
        path: The table of the layout; where it is missing, that of the published zoo holds.
        columns: How many there are.

    Raises:
        ZooError: The table is damaged, or of other networks or numbers of columns.
    """
    published = _layout(path) if path.is_file() else PUBLISHED_LAYOUT
    found: list[Variable] = []
    layers: list[str] = []
    start = 0
    for name, shape in published:
        layer, _, kind = name.rpartition("/")
        if layer not in layers:
            layers.append(layer)
        if len(layers) > len(_LAYERS) or kind not in ("bias:0", "kernel:0"):
            raise ZooError(f"{path.name} names {name!r}, which the architecture has not")
        ours = f"{_LAYERS[len(layers) - 1]}.{'bias' if kind == 'bias:0' else 'weight'}"
        found.append(Variable(ours, slice(start, start + math.prod(shape)), shape))
        start += math.prod(shape)
    if start != columns:
        raise ZooError(f"the weights have {columns} columns, their layout has {start}")
    return found


def _layout(path: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    try:
        text = read_bytes(path, max_bytes=2**20).decode()
        rows = sorted(csv.DictReader(io.StringIO(text)), key=lambda row: int(row["start_idx"]))
        for row in rows:
            shape = tuple(int(number) for number in re.findall(r"\d+", row["shape"]))
            if int(row["end_idx"]) - int(row["start_idx"]) != math.prod(shape):
                raise ZooError(f"{path.name}: {row['varname']!r} is not as long as its shape says")
            yield str(row["varname"]), shape
    except ZooError:
        raise
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ZooError(f"{str(path)!r} is no table of a layout: {error!r}") from error
