"""Autoencoders that read networks as sequences of tokens, whole or in windows."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.populations.token_windows import TokenWindows
from graphwsl.populations.tokens import Tokenizer
from graphwsl.representations.autoencoder import Autoencoder, Rows
from graphwsl.representations.contrast import nt_xent, positive
from graphwsl.representations.known import Known
from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_networks import LatentOfAll, LatentPerToken, Latents, Values
from graphwsl.representations.weight_errors import errors
from graphwsl.representations.windows import ReadingWindows

PROJECTED = 30


class TokenAutoencoder(Autoencoder):
    """Tokens, their latents, and the losses between them.

    Args:
        settings: Settings of the method.
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
        self.numbers = numbers
        self.project = nn.Sequential(
            nn.Linear(numbers, PROJECTED),
            nn.LayerNorm(PROJECTED),
            nn.ReLU(),
            nn.Linear(PROJECTED, PROJECTED),
        )
        self._tokenizers: dict[str, Tokenizer] = {}

    def tokenizer(self, known: Known) -> Tokenizer:
        """The tokenizer of an architecture."""
        digest = known.architecture.digest
        if digest not in self._tokenizers:
            kind, width = self.settings.tokens, self.width
            self._tokenizers[digest] = Tokenizer.of(known.architecture, kind, width)
        return self._tokenizers[digest]

    def terms(self, known: Known, rows: Rows) -> Float[Tensor, "networks terms"]:
        """See :class:`Autoencoder`; windows at random in training, the whole network else.

        Networks that are aligned are rebuilt as they are, and told from others by a permuted view.
        """
        tokenizer, settings = self.tokenizer(known), self.settings
        first = rows if settings.align else self.views(known, rows)
        wanted = tokenizer.tokens(known.normalise(first)).values
        mask = tokenizer.layout.mask.to(rows.device)[None].expand(len(rows), -1, -1)
        contrast = behaviour = rows.new_zeros(len(rows))
        if len(tokenizer.layout.mask) > self.length and not self.training:
            rebuilt = self._decoded(tokenizer, self._encoded(tokenizer, wanted))
            structure = errors(rebuilt, wanted, mask, settings.normalise)
            return torch.stack([structure, contrast, behaviour], dim=1)
        windows = self._drawn(tokenizer, len(rows))
        latents, where = self._read(tokenizer, wanted, windows)
        rebuilt = self.networks.decode(latents, *where)
        target = wanted if windows is None else windows.of_each(wanted)
        mask = mask if windows is None else windows.of_each(mask)
        structure = errors(rebuilt, target, mask, settings.normalise)
        if settings.contrast and self.training:
            other = tokenizer.tokens(known.normalise(self.views(known, rows))).values
            contrast = self._contrast(latents, self._read(tokenizer, other, windows)[0])
        if windows is None:
            behaviour = self.behaviour(known, known.restore(tokenizer.rows(rebuilt)), first)
        return torch.stack([structure, contrast, behaviour], dim=1)

    def encode(self, known: Known, rows: Rows) -> Latents:
        """Latents of whole networks, window by window with a halo."""
        tokenizer = self.tokenizer(known)
        return self._encoded(tokenizer, tokenizer.tokens(known.normalise(rows)).values)

    def decode(self, known: Known, latents: Latents) -> Rows:
        """Whole networks from their latents."""
        tokenizer = self.tokenizer(known)
        return known.restore(tokenizer.rows(self._decoded(tokenizer, latents)))

    def _encoded(self, tokenizer: Tokenizer, values: Values) -> Latents:
        return self._whole(self.networks.encode, tokenizer, values)

    def _decoded(self, tokenizer: Tokenizer, latents: Latents) -> Values:
        return self._whole(self.networks.decode, tokenizer, latents)

    def _whole(
        self, network: Callable[..., Tensor], tokenizer: Tokenizer, signals: Tensor
    ) -> Tensor:
        """What a network gives for every token of whole networks."""
        layout, count = tokenizer.layout, len(tokenizer.layout.mask)
        positions = layout.positions.to(signals.device)
        types = layout.layer_types.to(signals.device)
        if self.latent_of_all or count <= self.length:
            return network(signals, positions, types)
        # Where all networks that were learnt from are short, their windows may be narrower.
        halo = min(self.settings.halo, (self.length - 1) // 2)
        windows = ReadingWindows.of(count, self.length, halo)
        where = [windows.cut(some[None].expand(len(signals), *some.shape))
                  for some in (positions, types)]  # fmt: skip
        return windows.join(network(windows.cut(signals), *where))

    def _drawn(self, tokenizer: Tokenizer, networks: int) -> TokenWindows | None:
        """A window of each network; None where it is read as a whole."""
        count = len(tokenizer.layout.mask)
        if count <= self.length:
            return None
        return TokenWindows.random(count, self.length, networks)

    def _read(
        self, tokenizer: Tokenizer, values: Values, windows: TokenWindows | None
    ) -> tuple[Latents, tuple[Tensor, Tensor]]:
        """Latents in training, and where their tokens are."""
        layout = tokenizer.layout
        positions, types = layout.positions, layout.layer_types
        if windows is not None:
            values = windows.of_each(values)
            positions, types = positions[windows.index], types[windows.index]
        where = positions.to(values.device), types.to(values.device)
        return self.networks.encode(self._erased(self.noisy(values)), *where), where

    def _contrast(self, first: Latents, second: Latents) -> Float[Tensor, " networks"]:
        flat = [some.flatten(1) for some in (first, second)]
        # Networks of fewer tokens than a window has are read as if the rest were nothing.
        flat = [functional.pad(some, (0, self.numbers - some.shape[1])) for some in flat]
        views = self.project(flat[0]), self.project(flat[1])
        if self.settings.contrast_kind == "positive":
            return positive(*views)
        return nt_xent(*views, self.settings.temperature)

    def _erased(self, values: Values) -> Values:
        """A block of tokens of some networks set to zero (random erasing), in training."""
        if not self.training or not self.settings.erase:
            return values
        networks, tokens = values.shape[:2]
        sizes = (tokens * (0.02 + 0.31 * torch.rand(networks))).ceil()
        starts = (torch.rand(networks) * (tokens - sizes + 1)).floor()
        position = torch.arange(tokens)
        inside = (position >= starts[:, None]) & (position < (starts + sizes)[:, None])
        inside &= (torch.rand(networks) < self.settings.erase)[:, None]
        return values.masked_fill(inside[..., None].to(values.device), 0.0)
