"""Hyper-representations: one latent of a whole network.

K. Schürholt, D. Kostadinov, D. Borth, "Self-Supervised Representation Learning on Neural Network
Weights for Model Characteristic Prediction", NeurIPS 2021; the layer-wise normalised loss
(``normalise="layer"``) from "Hyper-Representations as Generative Models", NeurIPS 2022.
"""

from typing import ClassVar

from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_representation import TokenRepresentation


class HyperRepresentation(TokenRepresentation):
    """Neuron tokens and a token that gathers them; permuted and erased views, NT-Xent."""

    name = "hyper_representation"
    mixed = False
    latent_of_all: ClassVar[bool] = True
    published = TokenSettings(
        latent_channels=700,
        normalise="none",
        contrast=0.1,
        views=25_000,
        erase=0.5,
        channels=800,
        blocks=2,
        heads=4,
        dropout=0.1,
        epochs=50,
        batch_size=500,
        learning_rate=1e-4,
        weight_decay=1e-9,
        schedule=None,
        clip_norm=None,
    )
    small = published.replaced(
        latent_channels=128, channels=96, views=1_000, batch_size=64, learning_rate=1e-3,
        normalise="layer", schedule="one_cycle", clip_norm=1.0, dropout=0.0,
    )  # fmt: skip
