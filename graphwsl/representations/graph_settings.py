"""Options of the graph autoencoder."""

from graphwsl.representations.settings import Count, RepresentationSettings


class GraphSettings(RepresentationSettings):
    """Options of the graph autoencoder besides those of all methods.

    Attributes:
        channels: Channels of the transformers.
        blocks: Blocks of attention, in the encoder and in the decoder each.
        heads: Heads of attention; must divide the channels.
        codes: Codes by which the sources of a unit are told, at most; what further sources add is
            lost.
    """

    channels: Count = 128
    blocks: Count = 2
    heads: Count = 4
    codes: Count = 64
