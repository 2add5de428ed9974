"""What users of PyG and torch have is taken as it is: data sets, lists, loaders, their models."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import data as torch_data
from torch.utils.data import WeightedRandomSampler
from torch_geometric.data import Data, InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn.models import GAT, GCN, GraphSAGE

from gnncore.errors import TrainingError
from gnncore.layers import make_layer
from gnncore.training import (
    GraphStore,
    RaggedRows,
    RegressionObjective,
    TensorStore,
    TrainingSettings,
    as_dataset,
    fit,
    predict,
    seeded,
)

ONE_EPOCH = TrainingSettings(epochs=1, batch_size=2)
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
    assert {as_dataset(kind).content_hash for kind in kinds} == {expected}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "got a int"),
        ([1, 2], "got a int"),
        (torch.zeros(3, 1), "got a Tensor"),
        ([(torch.zeros(1), "a")], "got a str"),
        (
            DataLoader(graphs(), sampler=WeightedRandomSampler([1.0] * 6, 6)),
            "WeightedRandomSampler draws items in its own way",
        ),
        (
            torch_data.DataLoader(
                graphs(), sampler=torch_data.RandomSampler(graphs(), replacement=True)
            ),
            "RandomSampler draws items in its own way",
        ),
        (
            torch_data.DataLoader([torch.zeros(1)], collate_fn=tuple),
            "collate_fn 'tuple' makes batches in its own way",
        ),
        (
            torch_data.DataLoader([torch.zeros(1)], batch_sampler=[[0]]),
            "loader with a list makes batches in its own way",
        ),
        ([(torch.zeros(1), 1, 2)], "items of 3 parts do not say what each is"),
        ([{"x": torch.zeros(1)}, {"z": torch.zeros(1)}], "item 1 has z, the first has x"),
        ([(torch.zeros(1), torch.zeros(1)), (torch.zeros(1), torch.zeros(2))], "y has shapes"),
    ],
)
def test_others_are_refused_by_name(given: Any, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        as_dataset(given)


class Pairs(torch_data.Dataset[Any]):
    """A map-style data set, which torch does not ask to be iterable."""

    def __init__(self, x: Tensor, y: Tensor, named: bool = False) -> None:
        self.x, self.y, self.named = x, y, named

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, item: int) -> Any:
        x, y = self.x[item], float(self.y[item])
        return {"x": x, "y": y} if self.named else (x, y)


def test_data_sets_of_torch_are_rows() -> None:
    x = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    y = x @ torch.tensor([1.0, -1.0])
    tensors = torch_data.TensorDataset(x, y)
    kinds: list[Any] = [
        tensors,
        Pairs(x, y),
        Pairs(x, y, named=True),
        list(zip(x, y, strict=True)),
        torch_data.Subset(tensors, range(6)),
        torch_data.DataLoader(Pairs(x, y), batch_size=2, shuffle=True),
        torch_data.DataLoader(tensors, batch_size=4),
    ]
    expected = TensorStore(x=x, y=y).content_hash
    assert [as_dataset(kind).content_hash for kind in kinds] == [expected] * 7
    assert as_dataset(list(x)).content_hash == TensorStore(x=x).content_hash
    lengths = as_dataset([(x[:n, 0], 0.0) for n in (1, 3)])
    wanted = RaggedRows.of([x[:1, 0], x[:3, 0]])
    assert lengths.content_hash == TensorStore(x=wanted, y=torch.zeros(2)).content_hash
    with seeded(0):
        model = nn.Linear(2, 1)
    chosen = TrainingSettings(epochs=50, batch_size=3, learning_rate=0.1, device="cpu")
    result = fit(model, Pairs(x, y), Pairs(x, y), chosen, RegressionObjective(), progress=False)
    assert result.best_metrics["r2"] > 0.99
    assert predict(model, list(x)).shape == (6, 1)


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


class TakesTheBatch(nn.Module):
    """As the tutorials of PyG write it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, data: Data) -> Tensor:
        return self.layer(data.x).squeeze(-1) + 0 * data.edge_attr.sum()


def test_a_model_that_takes_the_batch_gets_it() -> None:
    model = TakesTheBatch()
    several = graphs()
    for number, graph in enumerate(several):
        graph.name = f"graph {number}"  # no text is learnt from
    result = fit(model, several, several, ONE_EPOCH, RegressionObjective(), progress=False)
    assert result.best_epoch == 1
    torch.testing.assert_close(
        predict(model, several).flatten(), torch.cat([model(graph) for graph in several])
    )


class TakesWeights(nn.Module):
    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        return x[:, 0] + edge_weight.sum() + edge_index.sum()


class GivesNames(nn.Linear):
    def forward(self, x: Tensor, edge_index: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"y": super().forward(x) + edge_index.sum()}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (TakesWeights(), "the model takes 'edge_weight', and a batch has x, edge_index, edge_attr"),
        (GivesNames(2, 1), "must give one tensor, got a dict"),
        (make_layer("gcn2", 2, 2).double(), "x is torch.float32 and the model torch.float64"),
    ],
)
def test_what_does_not_fit_is_said(model: nn.Module, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        predict(model, graphs())
