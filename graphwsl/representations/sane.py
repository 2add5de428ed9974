"""SANE: a latent a token, learnt on windows of tokens.

K. Schürholt, M. W. Mahoney, D. Borth, "Towards Scalable and Versatile Weight Space Learning",
ICML 2024. Both views of the published scripts are the aligned network (they set ``view_2_canon``
twice), so that nothing is permuted there; here the second one is, as the paper says.
"""

from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_representation import TokenRepresentation


class Sane(TokenRepresentation):
    """Sparse tokens in windows, three-axis positions, alignment to a reference, haloing."""

    name = "sane"
    mixed = False
    published = TokenSettings(
        latent_channels=128,
        normalise="layer",
        contrast=0.05,
        views=5,
        noise=0.1,
        align=True,
        width=289,
        window=64,
        halo=0,
        channels=1024,
        blocks=8,
        heads=8,
        epochs=50,
        batch_size=32,
        learning_rate=1e-4,
        weight_decay=3e-9,
        schedule="one_cycle",
    )
    small = published.replaced(
        width=None, latent_channels=32, window=32, halo=4, channels=96, blocks=2, heads=4,
        epochs=40, batch_size=64, learning_rate=1e-3,
    )  # fmt: skip
