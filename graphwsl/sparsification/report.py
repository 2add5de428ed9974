"""How sparse twins compare with their originals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from graphwsl.errors import ZooError
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.store import StoredZoo


@dataclass(frozen=True)
class TwinSummary:
    """The twins of one sparsity.

    Attributes:
        sparsity: Share of the weights that are gone.
        networks: How many twins there are.
        accuracy: Their mean test accuracy.
        original_accuracy: That of their originals.
        points_lost: Points of accuracy, in percent, that a twin has lost; the mean.
        agreement: Share of test samples of the same class as by the original; the mean.
        correlation: Pearson's of the accuracies of twins and originals; NaN for fewer than three
            networks, or if all of them are equally good.
        layers: Share of the weights that are gone, a layer.
        emptied: How many twins have no weight left in a layer, by the layer; such a network gives
            the same answer to all inputs, unless something leads past the layer.
    """

    sparsity: float
    networks: int
    accuracy: float
    original_accuracy: float
    points_lost: float
    agreement: float
    correlation: float
    layers: dict[str, float]
    emptied: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return asdict(self)


def summarise_twins(zoo: StoredZoo) -> list[TwinSummary]:
    """The twins of each sparsity, from what was measured when they were made.

    Args:
        zoo: What :func:`graphwsl.sparsification.sparsify` made.

    Raises:
        ZooError: It holds no twins, or twins of networks that approximate numbers.
        StorageError: A file is damaged.
    """
    by_sparsity: dict[float, list[Checkpoint]] = {}
    for checkpoint in zoo.checkpoints:
        share = checkpoint.configuration.get("target_sparsity")
        if not isinstance(share, float) or "agreement" not in checkpoint.metrics:
            raise ZooError(
                f"{str(zoo.folder.path)!r} holds no sparse twins of networks that classify; make "
                "some by graphwsl zoo sparsify"
            )
        by_sparsity.setdefault(share, []).append(checkpoint)
    return [_summary(zoo, share, members) for share, members in sorted(by_sparsity.items())]


def masks_of(zoo: StoredZoo, checkpoint: Checkpoint) -> dict[str, Bool[Tensor, "..."]]:
    """Which entries of its pruned weights a twin has, by name.

    Raises:
        ZooError: The zoo has no such checkpoint, or none with masks.
        StorageError: Its file is damaged.
    """
    location = zoo.location(checkpoint)
    stored = zoo.folder.chunk(location.chunk).read()
    if not stored.masks:
        raise ZooError(f"{str(zoo.folder.path)!r} holds no masks; it is no sparse twin")
    index = (location.network, location.epoch)
    return {name: torch.from_numpy(masks[index].copy()) for name, masks in stored.masks.items()}


def _summary(zoo: StoredZoo, share: float, members: Sequence[Checkpoint]) -> TwinSummary:
    def of(name: str) -> np.ndarray:
        return np.array([member.metrics[name] for member in members])

    twins, originals = of("test_accuracy"), of("original_test_accuracy")
    layers, emptied = _layers(zoo, members)
    return TwinSummary(
        sparsity=float(of("sparsity").mean()),
        networks=len(members),
        accuracy=float(twins.mean()),
        original_accuracy=float(originals.mean()),
        points_lost=float(100 * (originals - twins).mean()),
        agreement=float(of("agreement").mean()),
        correlation=correlation(originals, twins),
        layers=layers,
        emptied=emptied,
    )


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; NaN where it says nothing."""
    if len(first) < 3 or not first.std() or not second.std():
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def _layers(
    zoo: StoredZoo, members: Sequence[Checkpoint]
) -> tuple[dict[str, float], dict[str, int]]:
    """Share of the weights that are gone, and networks without any, of every layer."""
    gone: dict[str, list[int]] = {}
    emptied: dict[str, int] = {}
    chunks: dict[int, Mapping[str, np.ndarray]] = {}
    for member in members:
        location = zoo.location(member)
        if location.chunk not in chunks:
            chunks[location.chunk] = zoo.folder.chunk(location.chunk).read().masks
        for name, masks in chunks[location.chunk].items():
            mask = masks[location.network, location.epoch]
            counts = gone.setdefault(name, [0, 0])
            counts[0] += int((~mask).sum())
            counts[1] += mask.size
            if not mask.any():
                emptied[name] = emptied.get(name, 0) + 1
    return {name: zeros / total for name, (zeros, total) in gone.items()}, emptied
