"""Blocks of attention against torch's own encoder layer, with the same weights."""

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphwsl.representations.settings import TokenSettings
from graphwsl.representations.token_networks import LatentOfAll, LatentPerToken
from graphwsl.representations.transformer import Block, Transformer

CHANNELS = 12
Module = TypeVar("Module", bound=nn.Module)


def signals(networks: int, tokens: int, seed: int = 0) -> Tensor:
    return torch.randn(networks, tokens, CHANNELS, generator=torch.Generator().manual_seed(seed))


def perturbed(module: Module) -> Module:
    """The module with random weights of ordinary size, of its norms too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module


def torch_layer(block: Block) -> nn.TransformerEncoderLayer:
    """Torch's layer with the weights of a block, all of its biases zero."""
    layer = nn.TransformerEncoderLayer(
        CHANNELS, block.heads, 4 * CHANNELS, 0.0, nn.GELU(), batch_first=True, norm_first=True
    )
    first, last = block.network[0], block.network[2]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        layer.norm1.load_state_dict(block.first_norm.state_dict())
        layer.norm2.load_state_dict(block.second_norm.state_dict())
        layer.self_attn.in_proj_weight.copy_(block.mix.weight)
        layer.self_attn.out_proj.weight.copy_(block.join.weight)
        layer.linear1.weight.copy_(first.weight)
        layer.linear2.weight.copy_(last.weight)
    return layer


@pytest.mark.parametrize("heads", [1, 3, CHANNELS])
@pytest.mark.parametrize(("networks", "tokens"), [(1, 1), (3, 1), (2, 7)])
def test_a_block_is_an_encoder_layer_that_normalises_first(
    heads: int, networks: int, tokens: int
) -> None:
    block = perturbed(Block(CHANNELS, heads, 0.0))
    x = signals(networks, tokens)
    torch.testing.assert_close(block(x), torch_layer(block)(x), atol=1e-5, rtol=1e-5)


def test_a_transformer_is_its_blocks_and_a_norm() -> None:
    transformer = perturbed(Transformer(CHANNELS, 3, 2))
    x = expected = signals(2, 5)
    for block in transformer.blocks:
        assert isinstance(block, Block)
        expected = torch_layer(block)(expected)
    norm = transformer.norm
    expected = functional.layer_norm(expected, (CHANNELS,), norm.weight, norm.bias)
    torch.testing.assert_close(transformer(x), expected, atol=1e-5, rtol=1e-5)


def test_tokens_are_a_set_and_networks_do_not_see_each_other() -> None:
    transformer, x = perturbed(Transformer(CHANNELS, 2, 3)), signals(3, 6)
    y = transformer(x)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(transformer(x[:, order]), y[:, order], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(transformer(x[1:2]), y[1:2], atol=1e-5, rtol=1e-5)
    changed = x.clone()
    changed[0, 5] += torch.arange(CHANNELS)  # every token of this network sees it
    difference = (transformer(changed) - y).abs().amax(2)
    assert bool((difference[0] > 1e-4).all())
    torch.testing.assert_close(difference[1:], torch.zeros(2, 6), atol=1e-5, rtol=0)


def test_dropout_acts_in_training_alone() -> None:
    transformer, x = Transformer(CHANNELS, 1, 2, dropout=0.5), signals(2, 4)
    torch.manual_seed(0)
    assert not torch.equal(transformer(x), transformer(x))
    transformer.eval()
    assert torch.equal(transformer(x), transformer(x))
    everything = Block(CHANNELS, 2, 1.0)  # what blocks add is lost, so that signals stay
    assert torch.equal(everything(x), x)


@pytest.mark.parametrize("blocks", [1, 8])
def test_ends_of_residual_paths_begin_smaller_by_their_number(blocks: int) -> None:
    torch.manual_seed(0)
    state = Transformer(64, blocks, 2).state_dict()
    for name, tensor in state.items():
        if tensor.ndim < 2:
            continue
        is_end = "join" in name or "network.2" in name
        expected = 0.02 / (2 * blocks) ** 0.5 if is_end else 0.02
        assert float(tensor.std()) == pytest.approx(expected, rel=0.05), name
    biases = [n for n, t in state.items() if n.endswith("bias") and "norm" not in n and len(t)]
    assert biases == []


def networks_of(kind: type[LatentPerToken]) -> LatentPerToken:
    settings = TokenSettings(channels=CHANNELS, heads=2, blocks=1, latent_channels=5)
    return perturbed(kind(3, (9, 4, 6), settings))


def where(tokens: int) -> tuple[Tensor, Tensor]:
    position = torch.arange(tokens)
    return torch.stack([position, position // 3, position % 3], dim=1), position % 2


@pytest.mark.parametrize("tokens", [1, 6])
def test_latents_of_tokens_move_with_tokens_and_their_places(tokens: int) -> None:
    made, (positions, types) = networks_of(LatentPerToken), where(tokens)
    values = signals(2, tokens)[..., :3]
    latents = made.encode(values, positions, types)
    assert latents.shape == (2, tokens, 5)
    rebuilt = made.decode(latents, positions, types)
    assert rebuilt.shape == values.shape
    order = torch.randperm(tokens, generator=torch.Generator().manual_seed(3))
    moved = positions[order], types[order]
    again = made.encode(values[:, order], *moved)
    torch.testing.assert_close(again, latents[:, order], atol=1e-5, rtol=1e-5)
    again = made.decode(latents[:, order], *moved)
    torch.testing.assert_close(again, rebuilt[:, order], atol=1e-5, rtol=1e-5)
    if tokens > 1:  # without their places it would be another network
        stayed = made.encode(values[:, order], positions, types)
        assert not torch.allclose(stayed, latents[:, order], atol=1e-3)


@pytest.mark.parametrize("tokens", [1, 6])
def test_the_latent_of_all_is_bounded_and_has_no_order(tokens: int) -> None:
    made, (positions, types) = networks_of(LatentOfAll), where(tokens)
    values = 10 * signals(2, tokens)[..., :3]
    latents = made.encode(values, positions, types)
    assert latents.shape == (2, 1, 5)
    assert float(latents.detach().abs().max()) <= 1
    order = torch.randperm(tokens, generator=torch.Generator().manual_seed(3))
    again = made.encode(values[:, order], positions[order], types[order])
    torch.testing.assert_close(again, latents, atol=1e-5, rtol=1e-5)
    assert made.decode(latents, positions, types).shape == values.shape
