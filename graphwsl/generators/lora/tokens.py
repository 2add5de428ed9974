"""Tokens of low-rank pairs, as Drag-and-Drop (Liang et al., 2025) cuts them, and the way back.

A and Bᵀ of a layer have as many rows as the rank. Both are cut along their columns into chunks,
those of A first. A chunk is standardised by its own mean and deviation, which are written, scaled,
into rows and columns beside it: all of the token is in one range, whatever the layer. What is
neither chunk nor scale is NaN. Of the published base model, rank 8, a token has 8 + 2 rows and
128 + 2 columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.lora.canonical_form import require_pair
from graphwsl.generators.lora.low_rank import Pair, Pairs

WIDTH = 128
"""Columns of a chunk, published."""

Tokens = Float[Tensor, "*networks tokens rows columns"]

_MEAN, _DEVIATION, _FLOOR, _SHIFT = 8.0, 0.9, 0.1, 1.6
"""How a mean and a deviation are written, published: 8 m and log(0.9 s + 0.1) + 1.6."""


@dataclass(frozen=True)
class TokenShapes:
    """Where the numbers of pairs are in their tokens.

    Attributes:
        shapes: Rank, inputs and outputs of each layer, in order, by its path.
        width: Columns of a chunk.
    """

    shapes: dict[str, tuple[int, int, int]]
    width: int = WIDTH

    @classmethod
    def of(cls, pairs: Mapping[str, Pair], width: int = WIDTH) -> "TokenShapes":
        """The shapes of pairs.

        Raises:
            GeneratorError: They are not pairs, or of no layer.
        """
        arguments.whole("width", width, 1)
        arguments.instance("pairs", pairs, Mapping, "a mapping", "give A and B by layers")
        if not pairs:
            raise GeneratorError("there are no pairs; give A and B of at least one layer")
        for name, pair in pairs.items():
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise GeneratorError(f"{name!r} must be a pair of A and B, got {pair!r:.60}")
            require_pair(repr(name), *pair)
        if len({tuple(a.shape[:-2]) for a, _ in pairs.values()}) > 1:
            raise GeneratorError("all layers must be of the same networks; stack them alike")
        shapes = {n: (a.shape[-2], a.shape[-1], b.shape[-2]) for n, (a, b) in pairs.items()}
        return cls(shapes, width)

    @property
    def rank(self) -> int:
        """Rows of a chunk: the largest rank."""
        return max(rank for rank, _, _ in self.shapes.values())

    @property
    def token_shape(self) -> tuple[int, int]:
        """Rows and columns of a token."""
        return self.rank + 2, self.width + 2

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """Rows and columns of every chunk that are numbers, in order."""
        found = []
        for rank, inputs, outputs in self.shapes.values():
            for length in (inputs, outputs):
                found += [(rank, min(self.width, length - begin))
                          for begin in range(0, length, self.width)]  # fmt: skip
        return found

    @property
    def mask(self) -> Bool[Tensor, "tokens rows columns"]:
        """What of tokens is a number, scales included."""
        mask = torch.ones(len(self.chunks), *self.token_shape, dtype=torch.bool)
        mask[:, : self.rank, : self.width] = self._inside
        return mask

    @property
    def _inside(self) -> Bool[Tensor, "tokens rank width"]:
        rows, columns = torch.arange(self.rank)[:, None], torch.arange(self.width)
        return torch.stack([(rows < r) & (columns < c) for r, c in self.chunks])

    def cut(self, pairs: Mapping[str, Pair]) -> Float[Tensor, "*networks tokens rank width"]:
        """Chunks of pairs; zero where there is no number."""
        parts = []
        for a, b in pairs.values():
            for matrix in (a, b.mT):
                missing = -matrix.shape[-1] % self.width
                padded = torch.nn.functional.pad(
                    matrix, (0, missing, 0, self.rank - matrix.shape[-2])
                )
                parts.append(padded.unflatten(-1, (-1, self.width)).movedim(-2, -3))
        return torch.cat(parts, dim=-3)

    def join(self, chunks: Float[Tensor, "*networks tokens rank width"]) -> Pairs:
        """The pairs of chunks."""
        pairs, start = {}, 0
        for name, (rank, inputs, outputs) in self.shapes.items():
            matrices = []
            for length in (inputs, outputs):
                count = -(-length // self.width)
                part = chunks[..., start : start + count, :rank, :]
                matrices.append(part.movedim(-3, -2).flatten(-2)[..., :length])
                start += count
            pairs[name] = (matrices[0], matrices[1].mT)
        return pairs


def tokenize(pairs: Mapping[str, Pair], width: int = WIDTH) -> Tokens:
    """The tokens of low-rank pairs.

    Args:
        pairs: A and B of every layer, by its path, in the order of the tokens; of one network, or
            of several with their dimensions before. ``canonical`` makes them independent of GL(r).
        width: Columns of a chunk.

    Returns:
        Tokens of shape ``(…, tokens, rank + 2, width + 2)``, of single precision. Rows beside a
        chunk and columns beside it hold its mean, then its deviation.

    Raises:
        GeneratorError: They are not pairs of the same networks, or not finite.
    """
    shapes = TokenShapes.of(pairs, width)
    return standardised(shapes.cut({n: (a.float(), b.float()) for n, (a, b) in pairs.items()}),
                        shapes)  # fmt: skip


def standardised(
    chunks: Float[Tensor, "*networks tokens rank width"], shapes: TokenShapes
) -> Tokens:
    """Tokens of chunks, each standardised by what the way back reads, so that it is exact.

    Args:
        chunks: Numbers of pairs, as :meth:`TokenShapes.cut` gives them.
        shapes: Where they are from.
    """
    inside = shapes._inside
    count = inside.sum((-1, -2))
    double = chunks.double() * inside
    mean = double.sum((-1, -2)) / count
    centred = (double - mean[..., None, None]) * inside
    deviation = (centred.square().sum((-1, -2)) / count).sqrt()
    written = torch.stack(
        [mean * _MEAN, (deviation * _DEVIATION + _FLOOR).log() + _SHIFT], dim=-1
    ).float()
    mean, deviation = read_scales(written[..., 0], written[..., 1])
    scaled = (chunks.double() - mean[..., None, None]) / deviation[..., None, None]
    tokens = torch.full((*chunks.shape[:-2], *shapes.token_shape), torch.nan)
    tokens[..., : shapes.rank, : shapes.width] = torch.where(inside, scaled.float(), torch.nan)
    for offset in (0, 1):
        tokens[..., shapes.rank + offset, :] = written[..., offset, None]
        tokens[..., : shapes.rank, shapes.width + offset] = written[..., offset, None]
    return tokens


def read_scales(
    mean: Float[Tensor, "*tokens"], deviation: Float[Tensor, "*tokens"]
) -> tuple[Float[Tensor, "*tokens"], Float[Tensor, "*tokens"]]:
    """Mean and deviation from what is written of them, in double precision.

    Args:
        mean: What is written of the mean.
        deviation: What is written of the deviation.
    """
    found = ((deviation.double() - _SHIFT).exp() - _FLOOR) / _DEVIATION
    return mean.double() / _MEAN, found.clamp_min(_LEAST)


_LEAST = 1e-12
"""Deviation of chunks that do not vary: what is written of it is rounded to about 1e-8."""


def detokenize(tokens: Tokens, shapes: TokenShapes | Mapping[str, Pair]) -> Pairs:
    """The pairs of tokens: the inverse of :func:`tokenize`.

    Where a generator wrote different scales into the places of one, their mean is read.

    Args:
        tokens: As :func:`tokenize` gives them.
        shapes: Shapes of the pairs, or pairs that have them.

    Raises:
        GeneratorError: Tokens of another shape, or without numbers where there must be some.
    """
    known = shapes if isinstance(shapes, TokenShapes) else None
    arguments.instance("tokens", tokens, Tensor, "a torch.Tensor", "give what tokenize gives")
    if known is None:
        assert isinstance(shapes, Mapping)
        known = TokenShapes.of(shapes, width=tokens.shape[-1] - 2)
    wanted = (len(known.chunks), *known.token_shape)
    if tuple(tokens.shape[-3:]) != wanted:
        raise GeneratorError(
            f"these pairs have tokens of shape {wanted}, got {tuple(tokens.shape)}"
        )
    rank, width, inside = known.rank, known.width, known._inside
    written = [
        torch.cat([tokens[..., rank + offset, :], tokens[..., :rank, width + offset]], dim=-1)
        for offset in (0, 1)
    ]
    # The mean of equal numbers is not always that number: differences from one of them are.
    mean, deviation = read_scales(*(
        one[..., 0] + (one - one[..., :1]).mean(-1) for one in written
    ))  # fmt: skip
    chunks = tokens[..., :rank, :width].double()
    chunks = chunks * deviation[..., None, None] + mean[..., None, None]
    chunks = torch.where(inside, chunks, 0.0)
    if not bool(chunks.isfinite().all()):
        raise GeneratorError("tokens must be numbers wherever the pairs have some")
    return known.join(chunks.float())
