"""Representations that read networks as sequences of tokens."""

from typing import Any, ClassVar

from graphwsl.errors import RepresentationError
from graphwsl.populations.population import Population
from graphwsl.populations.tokens import Tokenizer
from graphwsl.representations.representation import Representation
from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_autoencoder import TokenAutoencoder


class TokenRepresentation(Representation):
    """A transformer over tokens; methods differ in settings, and in where their latents are."""

    latent_of_all: ClassVar[bool] = False
    autoencoder: ClassVar[type[TokenAutoencoder]] = TokenAutoencoder
    settings: TokenSettings

    def _build(self, train: Population | None, built: dict[str, Any]) -> TokenAutoencoder:
        settings = self.settings
        if settings.channels % settings.heads:
            raise RepresentationError(
                f"{settings.channels} channels cannot be shared among {settings.heads} heads; "
                "choose a multiple"
            )
        if 2 * settings.halo >= (settings.window or 2 * settings.halo + 1):
            raise RepresentationError(
                f"a halo of {settings.halo} on both sides leaves nothing of a window of "
                f"{settings.window}; choose a wider window"
            )
        if settings.window and self.latent_of_all:
            raise RepresentationError(
                f"{self.name!r} has one latent of a whole network; set window=None"
            )
        if train is not None:
            layouts = [
                Tokenizer.of(one, settings.tokens, settings.width).layout for one in train.present
            ]
            longest = max(len(layout.mask) for layout in layouts)
            built["width"] = max(layout.mask.shape[1] for layout in layouts)
            built["sizes"] = [
                int(max(layout.positions[:, axis].max() for layout in layouts)) + 1
                for axis in range(3)
            ]
            built["length"] = min(settings.window or longest, longest)
            if settings.structure < 1 and built["length"] < longest:
                raise RepresentationError(
                    f"networks of {longest} tokens cannot be run from windows of "
                    f"{settings.window}; set window=None, or structure=1"
                )
        return self.autoencoder(
            settings,
            int(built["width"]),
            tuple(built["sizes"]),
            int(built["length"]),
            latent_of_all=self.latent_of_all,
        )
