"""Small networks run on one thread, large ones on all, and the caller's number comes back."""

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from gnncore.training import GraphStore, RegressionObjective, TrainingSettings, fit, predict
from gnncore.training.threads import threads_for


class Counting(nn.Module):
    """Says on how many threads it was run."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = nn.Linear(1, channels)
        self.out = nn.Linear(channels, 1)
        self.seen: set[int] = set()

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor) -> Tensor:
        self.seen.add(torch.get_num_threads())
        return self.out(self.inside(x))


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> object:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    former = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(former)


def graphs(count: int, nodes: int) -> GraphStore:
    return GraphStore.from_data_list(
        [
            Data(
                x=torch.ones(nodes, 1),
                edge_index=torch.empty(2, 0).long(),
                edge_attr=torch.empty(0, 1),
                y=torch.linspace(0, 1, nodes),
            )
            for _ in range(count)
        ]
    )


def test_a_small_network_trains_and_predicts_on_one_thread() -> None:
    model, store = Counting(8), graphs(4, 5)
    fit(model, store, store, TrainingSettings(epochs=1), RegressionObjective(), progress=False)
    predict(model, store)
    assert model.seen == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (4, 3)])
def test_a_large_batch_is_worth_all_threads(batch_size: int, threads: int) -> None:
    model, store = Counting(2**10), graphs(4, 2**8)
    with threads_for(model, store, batch_size) as chosen:
        assert chosen == torch.get_num_threads() == threads
    assert torch.get_num_threads() == 3


def test_who_sets_the_number_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    model = Counting(8)
    predict(model, graphs(2, 3))
    assert model.seen == {3}


def test_the_number_comes_back_after_an_error() -> None:
    with pytest.raises(RuntimeError), threads_for(Counting(8), graphs(2, 3), 1):
        raise RuntimeError
    assert torch.get_num_threads() == 3
