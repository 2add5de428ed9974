"""What PyG users have is taken as it is: data sets, lists, loaders, models with their own words."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import WeightedRandomSampler
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn.models import GAT, GCN, GraphSAGE

from gnncore.errors import TrainingError
from gnncore.layers import make_layer
from gnncore.training import (
    GraphStore,
    RegressionObjective,
    TrainingSettings,
    fit,
    predict,
    seeded,
)
from gnncore.training.graphs import as_store

RING = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])


def graphs(count: int = 6) -> list[Data]:
    generator = torch.Generator().manual_seed(0)
    return [
        Data(
            x=torch.randn(3, 2, generator=generator),
            edge_index=RING,
            edge_attr=torch.rand(6, 1, generator=generator),
            y=torch.rand(3, generator=generator),
        )
        for _ in range(count)
    ]


class InMemory(InMemoryDataset):
    def __init__(self, several: list[Data]) -> None:
        super().__init__()
        self.data, self.slices = self.collate(several)


@pytest.mark.filterwarnings("ignore:It is not recommended to directly access")
def test_all_kinds_of_data_sets_are_the_same_store() -> None:
    several = graphs()
    expected = GraphStore.from_data_list(several).content_hash
    kinds: list[Any] = [
        several,
        InMemory(several),
        DataLoader(several, batch_size=2, shuffle=True),
        DataLoader(InMemory(several), batch_size=4),
        GraphStore.from_data_list(several),
    ]
    assert {as_store(kind).content_hash for kind in kinds} == {expected}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "got a int"),
        ([1, 2], "got a int"),
        ([torch.zeros(1)], "got a Tensor"),
        (
            DataLoader(graphs(), sampler=WeightedRandomSampler([1.0] * 6, 6)),
            "WeightedRandomSampler draws graphs in its own way",
        ),
    ],
)
def test_others_are_refused_by_name(given: Any, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        as_store(given)


class Named(nn.Module):
    """A module whose words are its own, which says what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.given: dict[str, Any] = {}

    def forward(
        self, x: Tensor, edge_index: Tensor, batch: Tensor, edge_weight: Tensor | None = None
    ) -> Tensor:
        self.given = {"batch": batch, "edge_weight": edge_weight}
        return self.linear(x)


def test_a_model_gets_what_it_names_under_that_name() -> None:
    model = Named()
    predict(model, graphs(2))
    assert model.given["batch"].tolist() == [0, 0, 0, 1, 1, 1]
    # A weight of an edge is never guessed from its features.
    assert model.given["edge_weight"] is None
    weighted = graphs(2)
    for graph in weighted:
        graph.edge_weight = torch.full((6,), 0.5)
    predict(model, weighted)
    assert model.given["edge_weight"].tolist() == [0.5] * 12


@pytest.mark.parametrize("kind", [GCN, GAT, GraphSAGE])
def test_models_of_pyg_predict_as_they_do_by_themselves(kind: type[nn.Module]) -> None:
    several = graphs()
    with seeded(0):
        model = kind(2, 8, num_layers=2, out_channels=1).eval()
    alone = torch.cat([model(graph.x, graph.edge_index) for graph in several])
    assert torch.allclose(predict(model, several), alone, atol=1e-6)


def test_a_layer_and_a_model_of_pyg_are_trained() -> None:
    several = graphs(12)
    for model in (make_layer("tag", 2, 1), GCN(2, 8, num_layers=2, out_channels=1)):
        result = fit(
            model,
            DataLoader(several[:8], batch_size=4, shuffle=True),
            several[8:],
            TrainingSettings(epochs=3, batch_size=4, device="cpu"),
            RegressionObjective(),
            progress=False,
        )
        losses = [row["loss"] for row in result.history]
        assert losses[-1] < losses[0]
