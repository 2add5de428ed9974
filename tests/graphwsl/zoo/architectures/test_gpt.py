"""A small GPT: causal, as torch's own layers compute it, and trained as each alone."""

from typing import Any

import pytest
import torch
from torch import nn

from graphwsl.errors import ZooError
from graphwsl.neural_graph import neural_graph
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.training.chunk import train_chunk

FACTORS = {"vocabulary_size": 7, "sequence_length": 6, "out_channels": 7, "width": 8, "heads": 2}


def texts(seed: int, count: int = 5) -> torch.Tensor:
    return torch.randint(7, (count, 6), generator=torch.Generator().manual_seed(seed))


def test_a_token_sees_those_before_it_alone() -> None:
    model = build("gpt", FACTORS).eval()
    text = texts(0)
    changed = text.clone()
    changed[:, 4] = (text[:, 4] + 1) % 7
    before, after = model(text), model(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any(dim=2).all()
    torch.testing.assert_close(model(text[:, :3]), before[:, :3])


def test_it_computes_what_torch_does_by_causal_masks() -> None:
    torch.manual_seed(0)
    model: Any = build("gpt", {**FACTORS, "depth": 1, "activation": "gelu"}).eval()
    block = model.blocks[0]
    truth = nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True
    ).eval()
    state = {
        "self_attn.in_proj_weight": block.attention.qkv.weight,
        "self_attn.in_proj_bias": block.attention.qkv.bias,
        "self_attn.out_proj.weight": block.attention.projection.weight,
        "self_attn.out_proj.bias": block.attention.projection.bias,
        **{
            f"norm{n}.{k}": v
            for n in (1, 2)
            for k, v in getattr(block, f"norm{n}").named_parameters()
        },
        **{f"linear{n}.{k}": v for n in (1, 2) for k, v in block.mlp[2 * n - 2].named_parameters()},
    }
    truth.load_state_dict(state)
    text = texts(1)
    x = model.tokens(text) + model.positions
    mask = nn.Transformer.generate_square_subsequent_mask(6)
    expected = model.head(model.norm(truth(x, src_mask=mask, is_causal=True)))
    torch.testing.assert_close(model(text), expected, rtol=1e-4, atol=1e-5)


def test_populations_learn_as_each_alone() -> None:
    following = (texts(2, 32) + 1) % 7
    data = DataSet(texts(2, 32), following, texts(3), (texts(3) + 1) % 7, classes=7, vocabulary=7)
    networks = [
        {"architecture": "gpt", "width": 8, "depth": 1, "seed": seed, "learning_rate": 0.03}
        for seed in (1, 2)
    ]
    together = train_chunk(networks, data, epochs=5, batch_size=8, kept=[0, 5])
    alone = train_chunk(networks[1:], data, epochs=5, batch_size=8, kept=[5])
    for name, values in alone.weights.items():
        torch.testing.assert_close(together.weights[name][1, 1:], values[0], rtol=1e-3, atol=1e-4)
    assert (together.metrics["test_accuracy"][:, 1] > 0.5).all()
    assert (together.metrics["test_loss"][:, 1] < together.metrics["test_loss"][:, 0]).all()


def test_it_is_a_neural_graph_and_back() -> None:
    model = build("gpt", {**FACTORS, "depth": 1}).eval()
    back = neural_graph(model, texts(0, 1)).to_state_dict()
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ZooError, match="heads of gpt must be a divisor of the width 8, got 3"):
        build("gpt", {**FACTORS, "heads": 3})
