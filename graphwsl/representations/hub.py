"""One representation of the networks of a whole hub, each of an architecture of its own.

D. Falk et al., "Learning Model Representations Using Publicly Available Model Hubs", 2025: SANE
with dense tokens, sinusoidal positions, and errors on the scale of the batch, padding left aside.
Types of layers come from the graph of each network, where later code of the authors guesses them
from parts of names; tensors of which nothing is known have a type of their own. Networks may be
validated that are of no architecture that was learnt from: that is what it is for.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Architecture, Population
from graphwsl.populations.token_windows import TokenWindows
from graphwsl.representations.autoencoder import Rows
from graphwsl.representations.checks import require_parts
from graphwsl.representations.known import Known
from graphwsl.representations.settings import Count, TokenSettings
from graphwsl.representations.token_autoencoder import TokenAutoencoder
from graphwsl.representations.token_representation import TokenRepresentation
from graphwsl.representations.weight_errors import errors


class HubSettings(TokenSettings):
    """Options of the representation of a hub.

    Attributes:
        windows: Windows of a network in a step, drawn at random, so that large networks count as
            much as small ones; in validation so many evenly over the network.
    """

    windows: Count = 8


class HubAutoencoder(TokenAutoencoder):
    """Tokens in windows, of which a network shows a few in every step.

    Takes the arguments of :class:`TokenAutoencoder`.
    """

    settings: HubSettings

    def terms(self, known: Known, rows: Rows) -> Float[Tensor, "networks terms"]:
        """See :class:`Autoencoder`; with ``normalise="batch"`` on the scale of the windows."""
        tokenizer, settings = self.tokenizer(known), self.settings
        layout, networks = tokenizer.layout, len(rows)
        if len(layout.mask) <= self.length:
            return super().terms(known, rows)
        windows = self._windows(len(layout.mask))
        values = tokenizer.tokens(known.normalise(rows)).values
        target = windows.of(values).flatten(0, 1)
        index = windows.index
        where = [
            some[index].repeat(networks, *[1] * some.ndim).to(rows.device)
            for some in (layout.positions, layout.layer_types)
        ]
        mask = layout.mask[index].repeat(networks, 1, 1).to(rows.device)
        latents = self.networks.encode(self._erased(self.noisy(target)), *where)
        rebuilt = self.networks.decode(latents, *where)
        structure = errors(rebuilt, target, mask, settings.normalise)
        contrast = torch.zeros_like(structure)
        if settings.contrast and self.training:
            second = self.networks.encode(self._erased(self.noisy(target)), *where)
            contrast = self._contrast(latents, second)
        each = torch.stack([structure, contrast, torch.zeros_like(structure)], dim=1)
        return each.unflatten(0, (networks, -1)).mean(1)

    def _windows(self, count: int) -> TokenWindows:
        wanted = self.settings.windows
        if self.training:
            return TokenWindows.random(count, self.length, wanted)
        starts = torch.linspace(0, count - self.length, wanted).round().long().unique()
        index = starts[:, None] + torch.arange(self.length)
        return TokenWindows(index, torch.ones_like(index, dtype=torch.bool))


class Hub(TokenRepresentation):
    """Dense tokens, types of layers from the graph, a few windows of every network a step.

    Of its smaller backbone 456 million parameters are reported; the published settings have that
    size, and are those of SANE for large networks where nothing is known.
    """

    name = "hub"
    mixed = True
    autoencoder = HubAutoencoder
    settings: HubSettings
    published = HubSettings(
        latent_channels=128,
        normalise="batch",
        contrast=0.05,
        noise=0.1,
        tokens="dense",
        width=288,
        window=256,
        channels=1536,
        blocks=8,
        heads=16,
        positions="sinusoidal",
        epochs=50,
        batch_size=32,
        learning_rate=2e-5,
        weight_decay=3e-9,
        schedule="one_cycle",
    )
    small = published.replaced(
        width=64, window=64, halo=4, latent_channels=32, channels=96, blocks=2, heads=4,
        batch_size=4, learning_rate=1e-3, epochs=200,
    )  # fmt: skip

    def _build(self, train: Population | None, built: dict[str, Any]) -> TokenAutoencoder:
        settings = self.settings
        if settings.views or settings.align or settings.structure < 1:
            raise RepresentationError(
                "networks of a hub are not run, moved or aligned; set structure=1, views=0 and "
                "align=false"
            )
        if train is not None:
            built["scale"] = _scale(train)
        return super()._build(train, built)

    def _know(self, architecture: Architecture) -> Known:
        if architecture.digest in self._known:
            return self._known[architecture.digest]
        known = super()._know(architecture)
        known.deviation = known.deviation * float(self._built["scale"])
        return known

    def fit(
        self, train: Population, valid: Population, epochs: int | None = None, **options: Any
    ) -> "Hub":
        """As :meth:`Representation.fit`; validation networks may be of other architectures.

        Args:
            train: Networks to learn from.
            valid: Networks that choose the epoch.
            epochs: Passes over the networks; those of the settings by default.
            **options: As there.
        """
        for name, part in (("train", train), ("valid", valid)):
            arguments.instance(name, part, Population, "a Population", "give Population.load(zoo)")
        joined, count = Population.join([train, valid]), len(train)
        train, valid = (joined.select(range(*some)) for some in ((count,), (count, len(joined))))
        super().fit(train, valid, epochs, **options)
        return self

    def _check(self, train: Population, valid: Population, inputs: Tensor | None) -> None:
        del inputs  # networks are not run
        if len(train) < 2 or not len(valid):
            require_parts(train, valid)
        for part in (train, valid):
            self._check_readable(part)


def _scale(train: Population) -> float:
    """The median of the root mean squares of networks: what is read should be about 1.

    One number for all, so that the numbers of networks are read as they are to one another.
    """
    sizes = torch.stack([state.square().mean().sqrt() for state in train.states])
    return float(sizes.median()) or 1.0
