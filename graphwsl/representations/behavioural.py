"""Structure and behaviour: rebuilt networks must compute what the original ones do.

L. Meynent et al., "Structure Is Not Enough: Leveraging Behavior for Neural Network Weight
Reconstruction", 2025.
"""

from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_representation import TokenRepresentation


class Behavioural(TokenRepresentation):
    """Whole networks as one window; structure, contrast and behaviour as losses."""

    name = "behavioural"
    mixed = True
    published = TokenSettings(
        latent_channels=64,
        normalise="layer",
        contrast=0.05,
        structure=0.1,
        queries=256,
        views=20,
        width=289,
        channels=256,
        blocks=8,
        heads=8,
        epochs=100,
        batch_size=64,
        learning_rate=1e-4,
        schedule="one_cycle",
    )
    small = published.replaced(
        width=None, channels=96, blocks=2, heads=4, queries=64, learning_rate=1e-3
    )
