"""Rows of numbers as a data set: against plain indexing, and a training against a plain loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gnncore.errors import CheckpointError, TrainingError
from gnncore.storage import load_tensors, save_tensors
from gnncore.training import (
    ClassificationObjective,
    Dataset,
    LazyRows,
    Loader,
    RaggedRows,
    RegressionObjective,
    TensorBatch,
    TensorStore,
    fit,
    predict,
    seeded,
)
from gnncore.training.seeding import stream
from tests.gnncore.training.training_cases import settings, small_model, weights


def ragged(seed: int, count: int = 8) -> list[Tensor]:
    """Rows of 0 to 4 pairs."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, 5, (count,), generator=generator).tolist()
    return [torch.randn(length, 2, generator=generator) for length in lengths]


def rows(count: int, seed: int = 0) -> TensorStore:
    """Points, and a label that a plane through them gives."""
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return TensorStore(x=x, y=x @ torch.tensor([1.0, -2.0, 0.5]))


def plane(seed: int = 0) -> nn.Module:
    with seeded(seed):
        return nn.Linear(3, 1)


@given(seed=st.integers(0, 10**6), chosen=st.lists(st.integers(0, 7), min_size=1, max_size=12))
def test_a_batch_is_what_indexing_gives(seed: int, chosen: list[int]) -> None:
    several, dense = ragged(seed), torch.arange(16.0).reshape(8, 2)
    files = LazyRows(range(8), several.__getitem__, ragged=True)
    store = TensorStore(x=RaggedRows.of(several), z=dense, files=files)
    wanted = [several[item] for item in chosen]
    for batch in (store.batch(chosen), store.select(chosen).batch(range(len(chosen)))):
        assert torch.equal(batch.z, dense[chosen])
        for column in (batch.x, batch.files):
            assert column.lengths.tolist() == [len(row) for row in wanted]
            assert all(map(torch.equal, column.rows(), wanted))
    assert store.batch(chosen).x.values.data_ptr() != store.columns["x"].values.data_ptr()


def test_rows_of_one_length_are_a_matrix() -> None:
    matrix = torch.randn(3, 4, 2)
    column = RaggedRows.of(list(matrix))
    assert torch.equal(column.matrix(), matrix)
    assert column.matrix().data_ptr() == column.values.data_ptr()
    with pytest.raises(TrainingError, match=r"rows of 2 lengths \(1, 2\) are no matrix"):
        RaggedRows.of([torch.zeros(2), torch.zeros(1)]).matrix()


def test_the_hash_distinguishes_contents() -> None:
    several = ragged(3)

    def store(**columns: Any) -> str:
        held = {"x": RaggedRows.of(several), "y": torch.arange(8)}
        return TensorStore(**{**held, **columns}).content_hash

    def lazily(read: Callable[[int], Tensor] = several.__getitem__, **options: Any) -> str:
        return store(x=LazyRows(range(8), read, ragged=True, **options))

    assert store() == store()
    others = {
        store(x=RaggedRows.of(several[::-1])),
        # The same entries, cut elsewhere.
        store(x=RaggedRows.of([torch.cat(several), *[torch.zeros(0, 2)] * 7])),
        store(y=torch.arange(8) + 1),
        store(y=torch.arange(8.0)),
        store(y=torch.arange(8).bfloat16()),
        store(y=torch.arange(8)[:, None]),
        store(y_mask=torch.ones(8, dtype=torch.bool)),
        lazily(),
        lazily(lambda key: several[key] + 1),
        lazily(fingerprint="a"),
        lazily(fingerprint="b"),
    }
    assert len({store(), *others}) == 12
    assert lazily() == lazily()


def test_files_are_read_once_a_pass_and_not_for_labels(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.safetensors" for number in range(6)]
    x = torch.randn(6, 3)
    for path, row in zip(paths, x, strict=True):
        save_tensors(path, {"x": row.numpy()})
    read: list[Path] = []

    def reading(path: Path) -> Tensor:
        read.append(path)
        return torch.from_numpy(load_tensors(path)["x"])

    store = TensorStore(x=LazyRows(paths, reading, fingerprint="six files"), y=x[:, 0])
    assert store.whole().y.shape == (6,)
    assert len(store.content_hash) == 64
    assert read == []
    assert torch.equal(store.batch([4, 1]).x, x[[4, 1]])
    assert read == [paths[4], paths[1]]
    read.clear()
    model, twin = plane(), plane()
    chosen = settings(epochs=2, batch_size=4)
    fit(model, store, store, chosen, RegressionObjective(), progress=False)
    assert len([path for path in read if path == paths[0]]) == 2 * 2 + 1  # how long a row is
    plain = TensorStore(x=x, y=x[:, 0])
    fit(twin, plain, plain, chosen, RegressionObjective(), progress=False)
    assert weights(model) == weights(twin)


def test_rows_in_files_that_do_not_fit_are_refused() -> None:
    lengths = LazyRows([1, 2], torch.zeros)
    with pytest.raises(TrainingError, match=r"shapes \(1,\) and \(2,\).*set ragged"):
        TensorStore(x=lengths).batch([0, 1])
    kinds = LazyRows([torch.float32, torch.int64], lambda kind: torch.zeros(1, dtype=kind))
    with pytest.raises(TrainingError, match="several types"):
        TensorStore(x=kinds).batch([0, 1])


def test_a_training_on_rows_is_the_plain_loop() -> None:
    train, model, other = rows(20), plane(), plane()
    forward = lambda network, batch: network(batch.x).tanh()  # noqa: E731
    fit(
        model,
        train,
        rows(5, seed=1),
        settings(epochs=3, optimiser="sgd"),
        RegressionObjective(select_by="loss"),
        forward=forward,
        progress=False,
    )
    optimiser = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9)
    held, best = rows(5, seed=1).whole(), (float("inf"), b"")
    for epoch in (1, 2, 3):
        for chosen in torch.randperm(20, generator=stream(0, epoch, "order")).split(6):
            batch = train.batch(chosen)
            optimiser.zero_grad()
            (other(batch.x).tanh()[:, 0] - batch.y).square().mean().backward()
            optimiser.step()
        with torch.no_grad():
            error = (other(held.x).tanh()[:, 0] - held.y).square().mean().item()
        best = min(best, (error, weights(other)))
    assert weights(model) == best[1]


def test_masks_and_weights_of_labels_count() -> None:
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).float()
    mask = torch.tensor([True] * 6 + [False] * 2)
    lying = torch.where(mask, y, torch.nan)
    models = []
    for columns in (
        {"x": x, "y": lying, "y_mask": mask, "weight": torch.ones(8)},
        {"x": x, "y": torch.where(mask, y, 1 - y), "weight": mask.float()},
    ):
        model, store = plane(), TensorStore(**columns)
        objective = ClassificationObjective(select_by="loss")
        fit(model, store, store, settings(), objective, progress=False)
        models.append(weights(model))
    assert models[0] == models[1]


class MeanOfRow(nn.Module):
    """Reads ragged rows as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, ragged: RaggedRows) -> Tensor:
        means = [row.sum(0) / max(len(row), 1) for row in ragged.rows()]
        return self.linear(torch.stack(means))


def read_ragged(model: nn.Module, batch: TensorBatch) -> Tensor:
    return model(batch.x)


def test_a_model_of_ragged_rows_learns_and_resumes_only_in_its_way(tmp_path: Path) -> None:
    several = ragged(0, 40)
    y = torch.stack([row.sum(0) / max(len(row), 1) for row in several]) @ torch.tensor([2.0, 1.0])
    store = TensorStore(x=RaggedRows.of(several), y=y)
    with seeded(0):
        model = MeanOfRow()

    def run(epochs: int = 60, **options: Any) -> Any:
        chosen = settings(epochs=epochs, learning_rate=0.05)
        objective = RegressionObjective()
        return fit(
            model, store, store, chosen, objective, tmp_path, resume=True, progress=False, **options
        )

    assert run(forward=read_ragged).best_metrics["r2"] > 0.99
    assert torch.equal(
        predict(model, store, 7, forward=read_ragged), predict(model, store, forward=read_ragged)
    )
    with pytest.raises(CheckpointError, match=r"pass changed from .*read_ragged to the default"):
        run(70)
    with pytest.raises(TrainingError, match="has RaggedRows as x; give forward"):
        predict(model, store)
    with pytest.raises(TrainingError, match="has no x; give forward"):
        predict(model, TensorStore(z=torch.zeros(2, 3)))
    with pytest.raises(TrainingError, match="must give one tensor, got a tuple"):
        predict(nn.LSTM(2, 1), TensorStore(x=torch.zeros(2, 2)))
    with pytest.raises(TrainingError, match=r"reads graphs .* and the data are rows of"):
        predict(small_model(), rows(3))


def test_groups_are_of_any_column_with_one_number_an_item() -> None:
    store = TensorStore(x=torch.zeros(6, 3), y=torch.rand(6), colour=torch.tensor([0, 1] * 3))
    with pytest.raises(TrainingError, match="no tensor of items; they have x, y, colour"):
        fit(
            plane(), store, store, settings(group_by="taste"), RegressionObjective(), progress=False
        )
    seen: list[list[int]] = []

    def forward(model: nn.Module, batch: TensorBatch) -> Tensor:
        if model.training:
            seen.append(batch.colour.tolist())
        return model(batch.x)

    chosen = settings(group_by="colour", group_size=3, batch_size=3, epochs=2)
    fit(plane(), store, store, chosen, RegressionObjective("squared", select_by="loss"),
        forward=forward, progress=False)  # fmt: skip
    assert sorted(seen) == [[0] * 3, [0] * 3, [1] * 3, [1] * 3]


def test_augmentation_sees_attributes() -> None:
    def shifted(batch: TensorBatch, generator: torch.Generator) -> TensorBatch:
        batch.x = batch.x + torch.randn(batch.x.shape, generator=generator)
        return batch

    models = [plane() for _ in range(2)]
    for model, augment in zip(models, (None, shifted), strict=True):
        fit(
            model, rows(12), rows(4, 1), settings(), RegressionObjective(), augment=augment,
            progress=False,
        )  # fmt: skip
    assert weights(models[0]) != weights(models[1])
    with pytest.raises(AttributeError, match="the batch has no 'z', only x, y"):
        _ = rows(2).whole().z


class Squares(Dataset):
    """A data set of one's own: numbers and their squares, nothing stored."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def num_rows(self) -> int:
        return len(self)

    @property
    def content_hash(self) -> str:
        return str(self.numbers)

    def batch(self, items: Any) -> TensorBatch:
        x = torch.tensor([float(self.numbers[int(item)]) for item in items])[:, None] / 10
        return TensorBatch(x=torch.cat([x, x**2], 1), y=x[:, 0] ** 2)

    def whole(self) -> TensorBatch:
        return self.batch(range(len(self)))

    def select(self, items: Any) -> "Squares":
        return Squares([self.numbers[int(item)] for item in items])

    def to(self, device: torch.device | str) -> "Squares":
        return self


def test_a_data_set_of_ones_own_is_six_methods() -> None:
    with seeded(0):
        model = nn.Linear(2, 1)
    result = fit(
        model,
        Squares(list(range(-8, 9))),
        Squares([-9, 0, 3]),
        settings(epochs=200, learning_rate=0.05),
        RegressionObjective(),
        progress=False,
    )
    assert result.best_metrics["r2"] > 0.99


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "at least one column"),
        ({"x": torch.zeros(2, 1), "y": torch.zeros(3)}, "'y' has 3 entries, 'x' has 2"),
        ({"x": torch.tensor(1.0)}, "'x' is a single number"),
        ({"items": torch.zeros(2)}, "may be called 'items'"),
        ({"y": RaggedRows.of([torch.zeros(1)])}, "y must be a plain tensor, got a RaggedRows"),
    ],
)
def test_columns_that_make_no_store_are_refused(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        TensorStore(**columns)


def test_rows_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"length alone, got torch.float32 of shape \(1, 2\), "):
        RaggedRows.of([torch.zeros(1, 2), torch.zeros(1, 3)])
    with pytest.raises(TrainingError, match="got none"):
        RaggedRows.of([])
    with pytest.raises(TrainingError, match="must add up to their 3 entries, got 2"):
        RaggedRows(torch.zeros(3), torch.tensor([1, 1]))
    for items in ([], [3], [-1]):
        with pytest.raises(TrainingError):
            rows(3).batch(items)
    with pytest.raises(TrainingError, match="the training split is empty"):
        fit(plane(), rows(3).select([]), rows(3), settings(), RegressionObjective(), progress=False)
    assert list(Loader(rows(3).select([]), 2)) == []
