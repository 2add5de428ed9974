"""Networks as sequences of tokens, exactly both ways.

>>> tokens = tokenize(population.rows(0), population.architectures[0])  # doctest: +SKIP
>>> torch.equal(tokens.rows(), population.rows(0))  # doctest: +SKIP
True
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor
from torch.nn.functional import pad

from graphwsl import arguments
from graphwsl.errors import GraphwslError, InvalidArgumentError, StateMismatchError
from graphwsl.populations.dense_tokens import dense_layout
from graphwsl.populations.population import Architecture
from graphwsl.populations.sparse_tokens import sparse_layout
from graphwsl.populations.tensor_tokens import tensor_layout
from graphwsl.populations.token_layout import TokenLayout
from graphwsl.populations.unit_entries import LayerType

WIDEST = 2**20
"""Numbers of a token, at most."""

LAYOUTS = {"sparse": sparse_layout, "dense": dense_layout, "tensors": tensor_layout}
Kind = Literal["sparse", "dense", "tensors"]


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """The way from rows to tokens and back, prepared for an architecture.

    Attributes:
        layout: Which entries make which token.
    """

    layout: TokenLayout

    @classmethod
    def of(
        cls, architecture: Architecture, kind: Kind = "sparse", width: int | None = None
    ) -> "Tokenizer":
        """The tokenizer of an architecture.

        Args:
            architecture: Architecture of the networks.
            kind: ``sparse``, a unit a token, ``dense``, a layer's numbers in chunks, or
                ``tensors``, those of every tensor of the state.
            width: Numbers of a token; as many as the unit with the most by default.

        Raises:
            GraphwslError: There is no such kind, or the width is not positive.
        """
        if kind not in LAYOUTS:
            raise GraphwslError(f"unknown kind of tokens {kind!r}; choose sparse, dense or tensors")
        advice = "give population.architectures[0]"
        arguments.instance("architecture", architecture, Architecture, "an Architecture", advice)
        if width is not None:
            arguments.whole("width", width, 1, WIDEST)
        return cls(LAYOUTS[kind](architecture.graph, width))

    def tokens(self, rows: Shaped[Tensor, "networks entries"]) -> "Tokens":
        """The tokens of flattened states.

        Raises:
            StateMismatchError: The rows are of another architecture.
        """
        layout = self.layout
        arguments.rows("rows", rows)
        if rows.shape[1] != layout.num_entries:
            raise StateMismatchError(
                f"the rows have {rows.shape[1]:,} numbers, a network of these tokens has "
                f"{layout.num_entries:,}; give rows of its own architecture"
            )
        entries, mask = (some.to(rows.device) for some in (layout.entries, layout.mask))
        values = rows.index_select(1, entries.clamp(min=0).flatten())
        values = values.view(len(rows), *entries.shape).masked_fill_(~mask, 0)
        return Tokens(values, self)

    def rows(
        self, values: Shaped[Tensor, "networks tokens width"]
    ) -> Shaped[Tensor, "networks entries"]:
        """The flattened states that tokens hold, bitwise; what is in the padding is left away.

        Raises:
            StateMismatchError: There are more or fewer tokens, or they are wider or narrower.
        """
        _require_shape(values, self.layout.mask.shape)
        return values.flatten(1).index_select(1, self._slots.to(values.device))

    @cached_property
    def _slots(self) -> Int[Tensor, " entries"]:
        """Where each entry is among the flattened tokens."""
        flat = self.layout.entries.flatten()
        slots = torch.nonzero(flat >= 0).flatten()
        return slots[flat[slots].argsort()]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Networks of one architecture as sequences of tokens.

    Attributes:
        values: Their numbers, 0 in the padding, shape ``(networks, tokens, width)``.
        tokenizer: Which entry is where.
    """

    values: Shaped[Tensor, "networks tokens width"]
    tokenizer: Tokenizer

    def __len__(self) -> int:
        return len(self.values)

    @property
    def mask(self) -> Bool[Tensor, "tokens width"]:
        """Where there is an entry; the rest is padding."""
        return self.tokenizer.layout.mask

    @property
    def positions(self) -> Int[Tensor, "tokens 3"]:
        """Index in the sequence, layer, and index within the layer, from 0."""
        return self.tokenizer.layout.positions

    @property
    def layer_types(self) -> Int[Tensor, " tokens"]:
        """:class:`~graphwsl.populations.unit_entries.LayerType` of every token."""
        return self.tokenizer.layout.layer_types

    @property
    def nodes(self) -> Int[Tensor, " tokens"]:
        """The unit's node in the neural graph; -1 where a token is none's alone."""
        return self.tokenizer.layout.nodes

    def rows(self) -> Shaped[Tensor, "networks entries"]:
        """The flattened states, bitwise what they were."""
        return self.tokenizer.rows(self.values)

    def with_values(self, values: Shaped[Tensor, "networks tokens width"]) -> "Tokens":
        """The same tokens with other numbers, such as those that a decoder makes.

        Raises:
            StateMismatchError: There are more or fewer tokens, or they are wider or narrower.
        """
        _require_shape(values, self.mask.shape)
        return replace(self, values=values)


def tokenize(
    rows: Shaped[Tensor, "networks entries"],
    architecture: Architecture,
    kind: Kind = "sparse",
    width: int | None = None,
) -> Tokens:
    """Networks as tokens; a :class:`Tokenizer` does it again and again.

    Args:
        rows: Flattened states, such as those of ``Population.rows``.
        architecture: Architecture of the networks.
        kind: ``sparse``, a unit a token, ``dense``, a layer's numbers in chunks, or ``tensors``,
            those of every tensor of the state.
        width: Numbers of a token; as many as the unit with the most by default.

    Raises:
        GraphwslError: There is no such kind, or the width is not positive.
        StateMismatchError: The rows are of another architecture.
    """
    return Tokenizer.of(architecture, kind, width).tokens(rows)


def _require_shape(values: Any, shape: torch.Size) -> None:
    if not isinstance(values, Tensor) or values.ndim != 3:
        raise StateMismatchError(
            "the values must be a tensor of shape (networks, tokens, width), got "
            f"{arguments.described(values)}"
        )
    if values.shape[1:] != shape:
        raise StateMismatchError(
            f"the values have {tuple(values.shape[1:])} tokens and numbers a token, these "
            f"networks have {tuple(shape)}"
        )


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Networks of several architectures as sequences of one length and width.

    Attributes:
        values: Their numbers, 0 in the padding, shape ``(networks, tokens, width)``.
        mask: Where there is an entry, shape ``(networks, tokens, width)``.
        positions: As those of :class:`Tokens`, 0 for padding, shape ``(networks, tokens, 3)``.
        layer_types: Types of layers as those of :class:`Tokens`, shape ``(networks, tokens)``.
        parts: The tokens that the batch was made of.
    """

    values: Shaped[Tensor, "networks tokens width"]
    mask: Bool[Tensor, "networks tokens width"]
    positions: Int[Tensor, "networks tokens 3"]
    layer_types: Int[Tensor, "networks tokens"]
    parts: tuple[Tokens, ...]

    @classmethod
    def of(cls, parts: Sequence[Tokens]) -> "TokenBatch":
        """A batch of all networks of the parts, in order.

        Args:
            parts: The networks of an architecture each, at least one part.

        Raises:
            InvalidArgumentError: There are none, or others.
        """
        arguments.listed("parts", parts, Tokens, "Tokens", "give what tokenize returns")
        if not parts:
            raise InvalidArgumentError("parts must not be empty; give at least one Tokens")
        length, width = (max(part.mask.shape[axis] for part in parts) for axis in (0, 1))
        values, masks, positions, types = [], [], [], []
        for part in parts:
            rows, columns = length - part.mask.shape[0], width - part.mask.shape[1]
            values.append(pad(part.values, (0, columns, 0, rows)))
            count = len(part)
            masks.append(pad(part.mask, (0, columns, 0, rows)).expand(count, -1, -1))
            positions.append(pad(part.positions, (0, 0, 0, rows)).expand(count, -1, -1))
            padded = pad(part.layer_types, (0, rows), value=int(LayerType.PADDING))
            types.append(padded.expand(count, -1))
        return cls(
            torch.cat(values),
            torch.cat(masks),
            torch.cat(positions),
            torch.cat(types),
            tuple(parts),
        )

    def __len__(self) -> int:
        return len(self.values)

    def split(self, values: Shaped[Tensor, "networks tokens width"] | None = None) -> list[Tokens]:
        """The tokens of each architecture again.

        Args:
            values: Other numbers of the shape of those of the batch, such as those of a decoder.

        Raises:
            StateMismatchError: They are of another shape.
        """
        if values is not None and values.shape != self.values.shape:
            raise StateMismatchError(
                f"the values are of shape {tuple(values.shape)}, the batch is of "
                f"{tuple(self.values.shape)}"
            )
        several = (self.values if values is None else values).split([*map(len, self.parts)])
        return [
            part.with_values(some[:, : part.mask.shape[0], : part.mask.shape[1]])
            for part, some in zip(self.parts, several, strict=True)
        ]
