"""Autoencoders that read networks as sequences of tokens, whole or in windows."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from graphwsl.populations.token_windows import TokenWindows
from graphwsl.populations.tokens import Tokenizer
from graphwsl.representations.autoencoder import Autoencoder, Rows
from graphwsl.representations.contrast import nt_xent, positive
from graphwsl.representations.known import Known
from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_networks import LatentOfAll, LatentPerToken, Latents, Values

PROJECTED = 30
LEAST = 1e-4


class TokenAutoencoder(Autoencoder):
    """Tokens, their latents, and the losses between them.

    Args:
        settings: Of the method.
        width: Numbers of a token.
        sizes: Rows of the tables of positions.
        length: Tokens that are read together in training.
        latent_of_all: One latent a network in place of one a token.
    """

    settings: TokenSettings

    def __init__(
        self,
        settings: TokenSettings,
        width: int,
        sizes: tuple[int, int, int],
        length: int,
        *,
        latent_of_all: bool,
    ) -> None:
        super().__init__(settings)
        self.width, self.length = width, length
        kind = LatentOfAll if latent_of_all else LatentPerToken
        self.latent_of_all = latent_of_all
        self.networks = kind(width, sizes, settings)
        numbers = settings.latent_channels * (1 if latent_of_all else length)
        self.project = nn.Sequential(
            nn.Linear(numbers, PROJECTED),
            nn.LayerNorm(PROJECTED),
            nn.ReLU(),
            nn.Linear(PROJECTED, PROJECTED),
        )
        self._tokenizers: dict[int, Tokenizer] = {}

    def tokenizer(self, known: Known) -> Tokenizer:
        """The tokenizer of an architecture."""
        key = id(known)
        if key not in self._tokenizers:
            self._tokenizers[key] = Tokenizer.of(
                known.architecture, self.settings.tokens, self.width
            )
        return self._tokenizers[key]

    def terms(self, known: Known, rows: Rows) -> Float[Tensor, "networks terms"]:
        """See :class:`Autoencoder`; windows at random in training, the whole network else."""
        tokenizer, settings = self.tokenizer(known), self.settings
        first = self.views(known, rows)
        wanted = tokenizer.tokens(known.normalise(first)).values
        if not self.training or len(tokenizer.layout.mask) <= self.length:
            windows = None
        else:
            count = len(tokenizer.layout.mask)
            windows = TokenWindows.random(count, self.length, len(rows))
        latents, rebuilt = self._through(tokenizer, wanted, windows)
        mask = tokenizer.layout.mask.to(rows.device)[None].expand(len(rows), -1, -1)
        target = wanted
        if windows is not None:
            mask, target = windows.of_each(mask), windows.of_each(wanted)
        structure = errors(rebuilt, target, mask, settings.normalise)
        contrast = behaviour = rows.new_zeros(len(rows))
        if settings.contrast and self.training:
            other = tokenizer.tokens(known.normalise(self.views(known, rows))).values
            second, _ = self._through(tokenizer, other, windows, encode_only=True)
            projected = self.project(latents.flatten(1)), self.project(second.flatten(1))
            if settings.contrast_kind == "positive":
                contrast = positive(*projected)
            else:
                contrast = nt_xent(*projected, settings.temperature)
        if windows is None:
            found = known.restore(tokenizer.rows(rebuilt))
            behaviour = self.behaviour(known, found, first)
        return torch.stack([structure, contrast, behaviour], dim=1)

    def encode(self, known: Known, rows: Rows) -> Latents:
        """Latents of whole networks, window by window with a halo."""
        tokenizer = self.tokenizer(known)
        values = tokenizer.tokens(known.normalise(rows)).values
        layout = tokenizer.layout
        if self.latent_of_all or len(layout.mask) <= self.length:
            return self.networks.encode(values, layout.positions, layout.layer_types)
        return self._windowed(tokenizer, values, decode=False)

    def decode(self, known: Known, latents: Latents) -> Rows:
        """Whole networks from their latents."""
        tokenizer, layout = self.tokenizer(known), self.tokenizer(known).layout
        if self.latent_of_all or len(layout.mask) <= self.length:
            values = self.networks.decode(latents, layout.positions, layout.layer_types)
        else:
            values = self._windowed(tokenizer, latents, decode=True)
        return known.restore(tokenizer.rows(values))

    def _windowed(self, tokenizer: Tokenizer, signal: Tensor, *, decode: bool) -> Tensor:
        layout, halo = tokenizer.layout, self.settings.halo
        count = len(layout.mask)
        core = max(self.length - 2 * halo, 1)
        windows = TokenWindows.successive(count, core, halo)
        found = []
        network = self.networks.decode if decode else self.networks.encode
        for index, is_core in zip(windows.index, windows.is_core, strict=True):
            inside = index >= 0
            places = index[inside]
            part = network(signal[:, places], layout.positions[places], layout.layer_types[places])
            found.append(part[:, is_core[inside]])
        return torch.cat(found, dim=1)

    def _through(
        self,
        tokenizer: Tokenizer,
        values: Values,
        windows: TokenWindows | None,
        *,
        encode_only: bool = False,
    ) -> tuple[Latents, Values]:
        layout = tokenizer.layout
        positions, types = layout.positions, layout.layer_types
        if windows is not None:
            values = windows.of_each(values)
            positions = positions[windows.index.clamp(min=0)]
            types = types[windows.index.clamp(min=0)]
        latents = self.networks.encode(self._erased(self.noisy(values)), positions, types)
        if encode_only:
            return latents, values
        return latents, self.networks.decode(latents, positions, types)

    def _erased(self, values: Values) -> Values:
        """A block of tokens of some networks set to zero (random erasing), in training."""
        if not self.training or not self.settings.erase:
            return values
        networks, tokens = values.shape[:2]
        sizes = (tokens * (0.02 + 0.31 * torch.rand(networks))).ceil()
        starts = (torch.rand(networks) * (tokens - sizes + 1)).floor()
        place = torch.arange(tokens)
        inside = (place >= starts[:, None]) & (place < (starts + sizes)[:, None])
        inside &= (torch.rand(networks) < self.settings.erase)[:, None]
        return values.masked_fill(inside[..., None].to(values.device), 0.0)


def errors(
    rebuilt: Values,
    target: Values,
    mask: Bool[Tensor, "networks tokens width"],
    normalise: str,
) -> Float[Tensor, " networks"]:
    """The mean squared error of each network over its numbers; padding does not count.

    Args:
        rebuilt: Tokens from a decoder.
        target: Tokens as they are.
        mask: Where there is a number.
        normalise: ``batch``: over the variance of all numbers of the batch. ``token``: over that
            of each token. Else as they are.
    """
    squares = (rebuilt - target).square() * mask
    if normalise == "batch":
        squares = squares / (target[mask].std(correction=0) + LEAST).square()
    elif normalise == "token":
        counts = mask.sum(2, keepdim=True).clamp(min=1)
        mean = (target * mask).sum(2, keepdim=True) / counts
        variance = ((target - mean).square() * mask).sum(2, keepdim=True) / counts
        # Tokens of one number, and of equal ones, have no deviation of their own.
        least = 0.1 * target[mask].std(correction=0) + LEAST
        squares = squares / variance.sqrt().clamp(min=least).square()
    return squares.sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
