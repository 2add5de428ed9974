"""Several zoos in one representation: no scales of layers, errors on the scale of tokens.

K. Schürholt et al., "Multi-Zoo SANE" (2025). ``normalise="batch"`` is what the published code does
(one mean and deviation for all numbers of a batch), ``"token"`` what the paper describes.
"""

from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_representation import TokenRepresentation


class MultiZoo(TokenRepresentation):
    """SANE for networks of several architectures at once."""

    name = "multi_zoo"
    mixed = True
    published = TokenSettings(
        latent_channels=128,
        normalise="batch",
        contrast=0.05,
        views=5,
        noise=0.1,
        width=288,
        window=256,
        channels=2048,
        blocks=8,
        heads=16,
        epochs=60,
        batch_size=32,
        learning_rate=2e-5,
        weight_decay=3e-9,
        schedule="one_cycle",
    )
    small = published.replaced(
        width=None, normalise="token", latent_channels=32, window=48, halo=4, channels=96, blocks=2,
        heads=4, epochs=40, batch_size=64, learning_rate=1e-3, positions="sinusoidal",
    )  # fmt: skip
