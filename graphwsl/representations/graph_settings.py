"""Options of the graph autoencoder."""

from graphwsl.representations.settings import Count, RepresentationSettings


class GraphSettings(RepresentationSettings):
    """Options of the graph autoencoder besides those of all methods.

    Attributes:
        channels: Of the transformers.
        blocks: Of attention, in the encoder and in the decoder each.
        heads: Of attention; must divide the channels.
        codes: By how many codes at most the sources of a unit are told; what further sources add
            is lost.
    """

    channels: Count = 128
    blocks: Count = 2
    heads: Count = 4
    codes: Count = 64
