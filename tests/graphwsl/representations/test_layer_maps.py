"""Linear maps of layers against principal components by singular values, in NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from graphwsl.populations.tokens import Tokenizer
from graphwsl.representations.layer_maps import FLOOR, LayerMaps, kinds_of, numbers_of
from tests.graphwsl.representations.representation_cases import parts

WIDTH = 6


def units(count: int, seed: int = 0) -> Tensor:
    """Numbers of units that vary more in some directions than in others, around a mean."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(WIDTH, WIDTH, generator=generator) * torch.arange(1, WIDTH + 1)
    return 3 + torch.randn(count, WIDTH, generator=generator) @ mixing


def begun(values: Tensor, channels: int, slopes: list[Tensor] | None = None) -> LayerMaps:
    maps = LayerMaps([(0, WIDTH)], WIDTH, channels)
    maps.begin(0, values, slopes or [])
    return maps.requires_grad_(False)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_maps_begin_as_principal_components(channels: int) -> None:
    values = units(40)
    maps = begun(values, channels)
    centred = values.double().numpy() - values.double().numpy().mean(0)
    singular, right = np.linalg.svd(centred)[1:]
    expected = right[:channels].T @ right[:channels]
    projection = (maps.into[0] @ maps.back[0]).numpy()
    np.testing.assert_allclose(projection, expected, atol=1e-5)
    lost = (maps.decode(0, maps.encode(0, values)) - values).double().square().sum()
    assert float(lost) == pytest.approx((singular[channels:] ** 2).sum(), rel=1e-4)
    # Latents do not vary together, and the first one varies most.
    spread = np.diag(singular[:channels] ** 2)
    products = maps.encode(0, values).double().numpy()
    np.testing.assert_allclose(products.T @ products, spread, atol=1e-4 * spread.max())
    assert bool((maps.into[0].gather(0, maps.into[0].abs().argmax(0)[None]) > 0).all())


def test_as_many_latents_as_numbers_lose_nothing_and_further_ones_stay_zero() -> None:
    values = units(20)
    for channels in (WIDTH, WIDTH + 3):
        maps = begun(values, channels)
        latents = maps.encode(0, values)
        torch.testing.assert_close(maps.decode(0, latents), values, atol=1e-4, rtol=1e-4)
        assert not bool(latents[:, WIDTH:].any())


def test_neither_the_order_of_units_nor_how_they_are_stacked_counts() -> None:
    values = units(24)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    for other in (values[order], values.view(4, 6, WIDTH)):
        for name, found in begun(other, 3).state_dict().items():
            expected = begun(values, 3).state_dict()[name]
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_one_unit_comes_back_as_the_mean_that_it_is() -> None:
    values = units(1)
    maps = begun(values, 2)
    torch.testing.assert_close(maps.decode(0, maps.encode(0, values)), values)
    assert float(maps.encode(0, values).abs().max()) == 0


def test_a_map_that_was_begun_is_left_and_its_neighbours_are_untouched() -> None:
    maps = LayerMaps([(0, WIDTH), (1, WIDTH)], WIDTH, 2)
    maps.begin(1, units(10), [])
    before = {name: tensor.clone() for name, tensor in maps.state_dict().items()}
    assert not bool(maps.into[0].any())
    maps.begin(1, units(10, seed=5), [])
    for name, tensor in maps.state_dict().items():
        assert torch.equal(tensor, before[name])
    maps.begin(0, units(10, seed=5), [])
    assert bool(maps.into[0].any())


def test_with_slopes_the_error_of_outputs_is_the_least_that_maps_can_have() -> None:
    """Against the weighted principal components, by Cholesky in place of a symmetric root."""
    values, channels = units(50), 2
    slopes = [units(50, seed) * torch.tensor([9.0, 1, 1, 1, 1, 0]) - 3 for seed in (7, 8)]
    maps = begun(values, channels, slopes)
    flat = torch.cat(slopes).double().numpy()
    metric = flat.T @ flat
    metric = metric / np.diag(metric).mean() + FLOOR * np.eye(WIDTH)
    root = np.linalg.cholesky(metric)
    centred = values.double().numpy() - values.double().numpy().mean(0)
    singular = np.linalg.svd(centred @ root)[1]

    def lost(some: LayerMaps) -> float:
        error = (some.decode(0, some.encode(0, values)) - values).double().numpy()
        return float(((error @ root) ** 2).sum())

    assert lost(maps) == pytest.approx((singular[channels:] ** 2).sum(), rel=1e-3)
    assert lost(maps) < 0.9 * lost(begun(values, channels))
    # What is decoded is encoded as it was.
    torch.testing.assert_close(maps.back[0] @ maps.into[0], torch.eye(2), atol=1e-5, rtol=0)


def test_the_size_of_slopes_does_not_count() -> None:
    values, slopes = units(30), units(30, seed=2) - 3
    one, other = begun(values, 3, [slopes]), begun(values, 3, [1000 * slopes])
    torch.testing.assert_close(one.into, other.into, atol=1e-4, rtol=1e-3)


def test_what_is_common_is_the_latent_of_the_mean() -> None:
    maps = LayerMaps([(0, WIDTH), (1, WIDTH)], WIDTH, 2).requires_grad_(False)
    for number in range(2):
        maps.begin(number, units(10, seed=number), [])
    expected = torch.stack([maps.mean[n] @ maps.into[n] for n in range(2)])
    torch.testing.assert_close(maps.common, expected, atol=1e-4, rtol=1e-4)
    shown = maps.encode(1, 0 * units(3)) + maps.common[1]
    torch.testing.assert_close(shown, torch.zeros(3, 2), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [((0, 4), 0), ((0, 9), 1), ((0, 7), 1), ((1, 4), 2), ((1, 100), 2), ((2, 5), 0), ((2, 50), 2)],
)
def test_unknown_kinds_take_the_map_most_like_them(kind: tuple[int, int], expected: int) -> None:
    assert LayerMaps([(0, 4), (0, 9), (1, 20)], 20, 2).number(kind) == expected


def test_kinds_of_tokens_are_their_layers_and_how_much_they_hold() -> None:
    architecture = parts("mlp").train.architectures[0]
    layout = Tokenizer.of(architecture).layout
    weights = [t for n, t in architecture.graph.state.items() if n.endswith("weight")]
    counts = [weight[0].numel() + 1 for weight in weights for _ in range(len(weight))]
    kinds = kinds_of(layout)
    assert [count for _, count in kinds] == counts
    distinct = list(dict.fromkeys(kinds))
    maps = LayerMaps(distinct, max(counts), 2)
    assert [distinct[n] for n in numbers_of(maps, layout).tolist()] == kinds
