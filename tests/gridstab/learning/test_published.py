"""The published models: shapes, sizes counted by hand, and the settings of their sources."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from gnncore.errors import SpecificationError
from gnncore.models import GraphModel
from gridstab import random_grid
from gridstab.errors import InvalidParameterError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning.published import (
    DEFAULT_MODEL,
    PUBLISHED_MODELS,
    PUBLISHED_RESULTS,
    published_model,
)
from gridstab.learning.tasks import TASKS

NAMES = list(PUBLISHED_MODELS)


def grid_tensors() -> tuple[Tensor, Tensor, Tensor]:
    grid = random_grid(20, seed=1)
    x = torch.tensor(grid.power, dtype=torch.float32)[:, None]
    edge_attr = torch.tensor(grid.edge_attr, dtype=torch.float32)[:, None]
    return x, torch.tensor(grid.edge_index), edge_attr


def gcn(channels: list[int]) -> int:
    return sum(a * b + b for a, b in pairwise(channels))


def tag(channels: list[int], hops: list[int]) -> int:
    pairs = zip(pairwise(channels), hops, strict=True)
    return sum((K + 1) * a * b + b for (a, b), K in pairs)


def arma(channels: list[int], stacks: list[int], layers: list[int], *, shared: bool) -> int:
    total = 0
    for (a, b), K, T in zip(pairwise(channels), stacks, layers, strict=True):
        sets = 1 if shared else T
        first, between = a * b, max(1, sets - 1) * b * b  # PyG keeps one even where T is 1
        total += K * (first + between + sets * (a * b + b))
    return total


def test_all_published_names_are_there() -> None:
    assert {model.name for model in PUBLISHED_MODELS.values()} >= {
        *("GCNNet01", "GCNNet02", "GCNNet03", "ArmaNet01", "ArmaNet02", "SGNet01", "SGNet02"),
        *("TAGNet01", "Ar-bench", "ArmaNet3", "GCNNet", "SAGENet", "TAGNet13", "TransformerNet"),
        *("TAG 7x25x4", "TAG 9x10x4", "DBGNN"),
    }
    assert published_model("Ar-bench") is published_model("ar_bench")
    assert published_model("tag 7x25x4") is PUBLISHED_MODELS["tag_7x25x4"]
    with pytest.raises(InvalidParameterError, match="'tagnet14', did you mean 'tagnet13'"):
        published_model("tagnet14")


# Linear(1, 1) at the end has 2 parameters, batch norm 2 a channel.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("GCNNet01", gcn([1, 4, 1]) + 2),
        ("GCNNet02", gcn([1, 16, 4, 1]) + 2),
        ("GCNNet03", gcn([1, 16, 4, 1]) + 2 + 2 * 20),
        ("ArmaNet01", arma([1, 1], [3], [4], shared=False) + 2),
        ("ArmaNet02", arma([1, 16, 1], [3, 3], [4, 4], shared=True) + 2 + 2 * 16),
        ("SGNet01", 2 + 2),
        ("SGNet02", gcn([1, 4, 1]) + 2),
        ("TAGNet01", tag([1, 4, 1], [3, 3]) + 2),
        ("Ar-bench", arma([1, 16, 1], [3, 3], [4, 4], shared=True) + 2 * 16),
        ("ArmaNet3", arma([1, 35, 96, 1], [51, 7, 45], [7, 9, 1], shared=True) + 2 * 132),
        (
            "TAGNet13",
            tag(
                [1, 71, 26, 132, 67, 128, 81, 56, 40, 30, 62, 141, 48, 1],
                [6, 4, 7, 6, 10, 1, 9, 2, 2, 2, 10, 5, 9],
            )
            + 2 * (71 + 26 + 132 + 67 + 128 + 81 + 56 + 40 + 30 + 62 + 141 + 48),
        ),
        ("TAG 7x25x4", tag([1, *[25] * 6, 1], [4] * 7) + 2 * (6 * 25 + 1)),
        ("TAG 9x10x4", tag([1, *[10] * 8, 1], [4] * 9) + 2 * (8 * 10 + 1)),
    ],
)
def test_sizes(name: str, parameters: int) -> None:
    assert GraphModel(published_model(name).specification).num_parameters == parameters


@pytest.mark.parametrize("name", NAMES)
def test_models_predict_a_share_for_every_node(name: str) -> None:
    torch.manual_seed(0)
    model = GraphModel(PUBLISHED_MODELS[name].specification).eval()
    x, edge_index, edge_attr = grid_tensors()
    with torch.no_grad():
        share = model(x, edge_index, edge_attr)
    assert share.shape == (20, 1)
    assert bool(((share > 0) & (share < 1)).all())


@pytest.mark.parametrize("name", NAMES)
def test_models_can_learn(name: str) -> None:
    """For some initial weights at least: a single ReLU behind one channel may start out dead."""
    x, edge_index, edge_attr = grid_tensors()
    shares = []
    for seed in range(4):
        torch.manual_seed(seed)
        model = GraphModel(PUBLISHED_MODELS[name].specification)
        model(x, edge_index, edge_attr).square().sum().backward()
        gradients = [p.grad for p in model.parameters()]
        reached = [g for g in gradients if g is not None and bool((g != 0).any())]
        assert all(bool(gradient.isfinite().all()) for gradient in reached)
        shares.append(len(reached) / len(gradients))
    assert max(shares) > 0.5


def test_tagnet_is_the_plain_stack_of_pyg() -> None:
    """The forward pass of the 2022 models, written out: convolution, norm, ReLU, sigmoid."""
    from torch_geometric.nn import TAGConv

    torch.manual_seed(0)
    model = GraphModel(published_model("tagnet13").specification).eval()
    x, edge_index, edge_attr = grid_tensors()
    convolutions = [m for m in model.modules() if isinstance(m, TAGConv)]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    assert (len(convolutions), len(norms)) == (13, 12)
    with torch.no_grad():
        expected = x
        for number, convolution in enumerate(convolutions):
            expected = convolution(expected, edge_index, edge_attr[:, 0])
            if number < 12:
                expected = torch.relu(norms[number](expected))
        expected = expected.sigmoid()
        torch.testing.assert_close(model(x, edge_index, edge_attr), expected)


def test_the_reproduction_never_predicts_below_one_half() -> None:
    torch.manual_seed(0)
    model = GraphModel(published_model("tag_7x25x4").specification)
    with torch.no_grad():
        assert float(model(*grid_tensors()).min()) >= 0.5


def test_settings_of_the_sources() -> None:
    first = published_model("tagnet01").settings
    assert (first.optimiser, first.learning_rate, first.momentum) == ("sgd", 0.3, 0.9)
    assert (first.batch_size, first.epochs, first.weight_decay) == (100, 500, 0.0)
    tagnet = published_model("tagnet13").settings
    assert (tagnet.learning_rate, tagnet.batch_size, tagnet.epochs) == (0.193048, 52, 400)
    assert (tagnet.weight_decay, tagnet.decay) == (1e-9, "all")
    bench = published_model("ar_bench").settings
    assert (bench.learning_rate, bench.batch_size) == (0.914149, 228)
    armanet = published_model("armanet3").settings
    assert (armanet.learning_rate, armanet.batch_size, armanet.epochs) == (3.0, 228, 1500)
    dbgnn = published_model("dbgnn").settings
    assert (dbgnn.schedule, dbgnn.clip_norm, dbgnn.clip_value) == ("one_cycle", 1.0, 1.0)


def test_what_is_not_published_is_said() -> None:
    unsaid = {model.name for model in PUBLISHED_MODELS.values() if model.choices}
    assert {"GCNNet", "SAGENet", "TransformerNet", "DBGNN"} <= unsaid
    assert "TAGNet13" not in unsaid
    assert all(model.source for model in PUBLISHED_MODELS.values())


def test_models_adapt_to_task_and_features() -> None:
    dbgnn = published_model("dbgnn")
    assert dbgnn.specification_for() == dbgnn.specification
    seen = FeatureSet(node=("power", "degree"), edge=("coupling", "load"))
    adapted = dbgnn.specification_for(TASKS["troublemaker"], seen)
    assert (adapted.in_channels, adapted.edge_channels, adapted.output) == (2, 2, "identity")
    GraphModel(adapted)
    assert published_model("sagenet").specification_for(features=seen).edge_channels == 0
    with pytest.raises(SpecificationError, match="edge_channels must be 0 or 1, got 2"):
        GraphModel(published_model("tagnet13").specification_for(features=seen))


def test_the_default_model_fits_its_features() -> None:
    assert DEFAULT_MODEL.specification.in_channels == DEFAULT_MODEL.features.in_channels
    assert DEFAULT_MODEL.specification.edge_channels == DEFAULT_MODEL.features.edge_channels
    GraphModel(DEFAULT_MODEL.specification)


def test_published_results_are_shares() -> None:
    values = {r.model: r.r2 for r in PUBLISHED_RESULTS if r.training_grids == 7000}
    assert values["TAG"]["ds20", "ds100"] == pytest.approx(0.6610)
    assert values["gradient boosting"]["ds100", "texas"] == pytest.approx(0.2684)
    assert ("ds20", "texas") not in values["linear regression with interactions"]
    assert all(value <= 1 for r2 in values.values() for value in r2.values())
