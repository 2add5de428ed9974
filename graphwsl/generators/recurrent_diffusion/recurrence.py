"""What goes from token to token: long short-term memory, attention, a state-space model.

Or nothing, which is the ablation. All map vectors of tokens to as many of the same size. Tokens are
in the order of the state.
"""

import math
import warnings
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from gnncore.extras import install_command
from graphwsl.errors import GeneratorError

Vectors = Float[Tensor, "networks tokens channels"]


class LSTM(nn.Module):
    """Long short-term memory, from the first token to the last.

    Args:
        channels: Channels of a token.
        blocks: Layers.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(channels, channels, blocks, batch_first=True)

    def forward(self, x: Vectors) -> Vectors:
        """The hidden state of the last layer at every token."""
        return self.memory(x)[0]


class Transformer(nn.Module):
    """Attention of all tokens to all.

    Args:
        channels: Channels of a token; a multiple of 4, the number of heads.
        blocks: Blocks of attention.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        block = nn.TransformerEncoderLayer(
            channels, 4, 4 * channels, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.blocks = nn.TransformerEncoder(block, blocks, enable_nested_tensor=False)

    def forward(self, x: Vectors) -> Vectors:
        """The signals after all blocks."""
        return self.blocks(x)


class Mamba(nn.Module):
    """State-space models of Dao and Gu (Mamba-2, 2024), one after the other, as published.

    Theirs are those of transformers, which run without a GPU.

    Args:
        channels: Channels of a token.
        blocks: How many.
        state: Numbers of a channel's state. Published are 128.

    Raises:
        GeneratorError: transformers is not installed.
    """

    def __init__(self, channels: int, blocks: int, state: int = 128) -> None:
        super().__init__()
        mixer, config = _mamba2()
        head = math.gcd(64, 2 * channels)
        settings = config(
            hidden_size=channels, state_size=state, conv_kernel=4, expand=2, head_dim=head,
            num_heads=2 * channels // head, n_groups=1, num_hidden_layers=blocks,
        )  # fmt: skip
        self.blocks = nn.Sequential(*(mixer(settings, layer_idx=n) for n in range(blocks)))

    def forward(self, x: Vectors) -> Vectors:
        """The signals after all blocks."""
        return self.blocks(x)


class TokenNetwork(nn.Module):
    """A perceptron of every token alone: the ablation in which nothing goes from one to another.

    Args:
        channels: Channels of a token.
        blocks: Hidden layers.
    """

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        hidden: list[nn.Module] = []
        for _ in range(blocks):
            hidden += [
                nn.Linear(channels, 4 * channels),
                nn.GELU(),
                nn.Linear(4 * channels, channels),
            ]
        self.layers = nn.Sequential(*hidden)

    def forward(self, x: Vectors) -> Vectors:
        """The signals of each token."""
        return self.layers(x)


RECURRENCES: dict[str, Any] = {
    "lstm": LSTM,
    "transformer": Transformer,
    "mamba": Mamba,
    "none": TokenNetwork,
}
"""By name, made of channels and blocks."""


def _mamba2() -> tuple[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that kernels for GPUs are not installed
            from transformers import Mamba2Config
            from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
    except ImportError as error:
        raise GeneratorError(
            "recurrence 'mamba' needs transformers, which is not installed; run "
            f"{install_command('transformers')}, or choose lstm or transformer"
        ) from error
    return Mamba2Mixer, Mamba2Config
