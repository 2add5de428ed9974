"""Settings of prompts to adapters: published, or small enough for two cores."""

from typing import Annotated, Literal

from pydantic import Field

from graphwsl.generators.lora.prompts import HASHED
from graphwsl.generators.settings import Count, GeneratorSettings, NotNegative, Share

Sizes = tuple[Count, Count, Count]


class PromptSettings(GeneratorSettings):
    """Options of ``prompt_to_lora``.

    Attributes:
        encoder: ``hashed``, or the folder of a model of sentences (see
            :mod:`graphwsl.generators.lora.prompts`).
        prompts: Prompts that are read at once; drawn anew from those of the task in every step.
        words: Words of a prompt.
        channels: Numbers of a word.
        decoder: ``hyper_convolutional``, or a perceptron over the ``mean`` of words or their
            ``attention``.
        hidden: Shapes between blocks of the hyper-convolutional decoder: prompts, words, channels.
        kernel: Size of its kernels.
        width: Hidden channels of the other ones.
        dropout: Share of these that are left out in training.
        token_width: Columns of a chunk.
        standardise: Whether what is learnt is the difference of tokens from their mean over the
            networks, in their deviations; else tokens themselves, each weighted by how much it
            varies, as published.
        canonical: Whether pairs are learnt in their canonical form.
        pairs: Weight of the squared error of tokens.
        product: Weight of the squared error of products, over the variance of products.
        behaviour: Weight of the divergence from what the trained network answers, where inputs are
            given.
        behaviour_inputs: Inputs of a step on which answers are compared.
        neighbours: Known tasks whose trained adapters are averaged for a prompt with words that no
            training prompt has, the nearest by what is understood of it; the adapters are kept for
            that. 0 keeps none and reads all words as if known.
        noise: Deviation of the noise that is added to words in training; a tenth of it to tokens.
    """

    encoder: str = HASHED
    prompts: Count = 128
    words: Count = 384
    channels: Count = 384
    decoder: Literal["hyper_convolutional", "mean", "attention"] = "hyper_convolutional"
    hidden: tuple[Sizes, ...] = ()
    kernel: Annotated[int, Field(ge=1, le=99, multiple_of=1)] = 9
    width: Count = 256
    dropout: Share = 0.0
    token_width: Count = 128
    standardise: bool = False
    canonical: bool = False
    pairs: NotNegative = 1.0
    product: NotNegative = 0.0
    behaviour: NotNegative = 0.0
    behaviour_inputs: Count = 64
    neighbours: Annotated[int, Field(ge=0, le=10**6)] = 0
    noise: NotNegative = 1e-4
