"""Which entries of a flattened state make which token."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphwsl.populations.unit_entries import UnitEntries


@dataclass(frozen=True, eq=False)
class TokenLayout:
    """The tokens of an architecture, in which every entry is exactly once.

    Attributes:
        entries: Indices into the flattened state, -1 for padding, shape ``(tokens, width)``.
        mask: Where there is an entry, shape ``(tokens, width)``.
        positions: For every token, its index in the sequence, the layer, and its index within the
            layer, as SANE has them (Schürholt et al., 2024), all from 0, shape ``(tokens, 3)``.
        layer_types: :class:`~graphwsl.populations.unit_entries.LayerType`, shape ``(tokens,)``.
        nodes: The unit's node in the neural graph; -1 where a token is none's alone, shape
            ``(tokens,)``.
    """

    entries: Int[Tensor, "tokens width"]
    mask: Bool[Tensor, "tokens width"]
    positions: Int[Tensor, "tokens 3"]
    layer_types: Int[Tensor, " tokens"]
    nodes: Int[Tensor, " tokens"]

    @property
    def num_entries(self) -> int:
        """Length of a flattened state."""
        return int(self.mask.sum())

    @classmethod
    def cut(
        cls,
        owned: UnitEntries,
        groups: Int[Tensor, " entries"],
        width: int,
        nodes: Int[Tensor, " entries"],
    ) -> "TokenLayout":
        """Cut groups of entries into tokens; the last token of a group is padded.

        Args:
            owned: The entries, with their layers and types.
            groups: Number of each entry's group, ascending.
            width: Entries of a token.
            nodes: The node of each entry's token.
        """
        _, group, sizes = groups.unique_consecutive(return_inverse=True, return_counts=True)
        counts = (sizes + width - 1) // width
        rank = torch.arange(len(groups)) - (sizes.cumsum(0) - sizes)[group]
        token = (counts.cumsum(0) - counts)[group] + rank // width
        entries = torch.full((int(counts.sum()), width), -1)
        entries[token, rank % width] = owned.entries
        heads = torch.nonzero(rank % width == 0).flatten()
        layers = owned.layers[heads]
        _, layer, lengths = layers.unique_consecutive(return_inverse=True, return_counts=True)
        sequence = torch.arange(len(entries))
        within = sequence - (lengths.cumsum(0) - lengths)[layer]
        # A token is of the type of the use that comes first in its group.
        first = (sizes.cumsum(0) - sizes)[group[heads]]
        return cls(
            entries=entries,
            mask=entries >= 0,
            positions=torch.stack([sequence, layers, within], dim=1),
            layer_types=owned.types[first],
            nodes=nodes[heads],
        )
