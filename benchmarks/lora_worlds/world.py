"""What every world has: a base, adapters of many tasks, and how good adapters are at others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gnncore.storage import load_tensors, make_folder, save_tensors
from graphwsl.generators.lora.low_rank import Pairs


@dataclass(frozen=True, eq=False)
class World:
    """Tasks that were trained, and others that were held out.

    Attributes:
        network: The adapted base.
        inputs: Samples without labels.
        train: Adapters of the training tasks, stacked.
        prompts: Texts of the training tasks, a prompt a line.
        trained: Adapters that were trained on the held-out tasks, which no generator sees.
        held_out: Texts of the held-out tasks.
        quality: Accuracy of stacked adapters at held-out tasks: at one, or at one each (None).
    """

    network: nn.Module
    inputs: Tensor
    train: Pairs
    prompts: list[str]
    trained: Pairs
    held_out: list[str]
    quality: Callable[[Pairs, int | None], Tensor]


def kept(path: Path, train: Callable[[], Pairs]) -> Pairs:
    """Adapters that are trained once and kept in a file.

    Args:
        path: The file.
        train: Trains them.
    """
    if path.exists():
        tensors = {name: torch.from_numpy(array) for name, array in load_tensors(path).items()}
        layers = dict.fromkeys(name.rpartition("/")[0] for name in tensors)
        return {layer: (tensors[f"{layer}/A"], tensors[f"{layer}/B"]) for layer in layers}
    pairs = train()
    make_folder(path.parent)
    matrices = {f"{n}/{e}": m for n, both in pairs.items() for e, m in zip("AB", both, strict=True)}
    save_tensors(path, {name: matrix.numpy() for name, matrix in matrices.items()})
    return pairs


def cut(pairs: Pairs, start: int, stop: int | None = None) -> Pairs:
    """Some of stacked adapters."""
    return {name: (a[start:stop], b[start:stop]) for name, (a, b) in pairs.items()}
