"""The loop against a plain one, and what it promises about seeds, errors and the best epoch."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from gnncore.errors import TrainingError
from gnncore.training import GraphStore, RegressionObjective, fit, predict
from gnncore.training.history import TIMES, TrainingResult
from gnncore.training.seeding import stream
from tests.gnncore.training.training_cases import (
    TRAIN,
    VALIDATION,
    rings,
    settings,
    small_model,
    weights,
)

OBJECTIVE = RegressionObjective()


def train(model: nn.Module, *, out=None, objective=OBJECTIVE, augment=None, **options: object):
    return fit(
        model,
        TRAIN,
        VALIDATION,
        settings(**options),
        objective,
        out,
        augment=augment,
        progress=False,
    )


def curve(result: TrainingResult) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k not in TIMES} for row in result.history]


def test_it_is_the_plain_loop() -> None:
    """The reference: PyG's collation, torch's optimiser, no cleverness."""
    model, plain = (small_model(dropout=0.0) for _ in range(2))
    result = train(model, epochs=3, optimiser="sgd", clip_norm=0.5, weight_decay=0.1, decay="all")
    optimiser = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)
    graphs, held_out = list(TRAIN), Batch.from_data_list(list(VALIDATION))
    states, losses = [], []
    for epoch in (1, 2, 3):
        plain.train()
        order = torch.randperm(len(graphs), generator=stream(0, epoch, "order"))
        for chosen in order.split(6):
            batch = Batch.from_data_list([graphs[i] for i in chosen])
            error = plain(batch.x, batch.edge_index, batch.edge_attr, batch.batch)[:, 0] - batch.y
            optimiser.zero_grad()
            error.square().mean().backward()
            nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
            optimiser.step()
        plain.eval()
        with torch.no_grad():
            found = plain(held_out.x, held_out.edge_index, held_out.edge_attr, held_out.batch)
        losses.append((found[:, 0] - held_out.y).square().mean().item())
        states.append({name: t.clone() for name, t in plain.state_dict().items()})
    assert [row["validation_loss"] for row in result.history] == pytest.approx(losses, rel=1e-5)
    best = states[result.best_epoch - 1]
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, best[name])


def test_it_learns() -> None:
    result = train(small_model(hidden_channels=16, dropout=0.0, normalisation=None), epochs=60)
    assert result.best_metrics["r2"] > 0.9


def test_the_same_seed_gives_the_same_bytes() -> None:
    models = [small_model() for _ in range(3)]
    curves = []
    for model, seed in zip(models, (5, 5, 6), strict=True):
        torch.rand(seed)  # whatever the caller drew before
        curves.append(curve(train(model, seed=seed)))
    assert weights(models[0]) == weights(models[1]) != weights(models[2])
    assert curves[0] == curves[1] != curves[2]


def test_the_callers_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    train(small_model(), epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_model_holds_its_best_epoch() -> None:
    model = small_model()
    result = train(model, learning_rate=0.3, epochs=8)
    scores = [row["validation_r2"] for row in result.history]
    assert result.best_epoch == 1 + scores.index(max(scores)) < 8
    found = OBJECTIVE.metrics(predict(model, VALIDATION), VALIDATION.whole())
    assert found["r2"] == pytest.approx(max(scores))
    assert result.best_metrics["r2"] == max(scores)


def test_smaller_is_better_where_the_objective_says_so() -> None:
    result = train(small_model(), learning_rate=0.3, objective=RegressionObjective(select_by="mse"))
    errors = [row["validation_mse"] for row in result.history]
    assert result.best_epoch == 1 + errors.index(min(errors))


def test_patience_ends_the_training() -> None:
    result = train(small_model(), learning_rate=0.3, epochs=50, patience=3)
    assert result.stopped_by == "patience"
    assert len(result.history) == result.best_epoch + 3 < 50
    assert train(small_model(), epochs=2).stopped_by == "epochs"


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_parts_give_the_gradient_of_the_batch(parts: int) -> None:
    """In double precision, with masks, so that the parts hold different numbers of labels."""
    graphs = rings(12, seed=4)
    for graph in graphs:
        graph.update({key: value.double() for key, value in graph if value.is_floating_point()})
        graph.y_mask = graph.x[:, 0] > -0.5
    store = GraphStore.from_data_list(graphs)
    results = []
    for accumulate in (1, parts):
        model = small_model(normalisation=None, dropout=0.0).double()
        options = settings(accumulate=accumulate, optimiser="sgd", learning_rate=0.1)
        results.append(fit(model, store, store, options, OBJECTIVE, progress=False))
    whole, split = ([row["validation_loss"] for row in result.history] for result in results)
    assert split == pytest.approx(whole, rel=1e-6)
    assert whole[0] != whole[-1]


def test_averaged_weights_are_the_formula() -> None:
    """θ' ← d θ' + (1 − d) θ after every step; the first step starts the average."""
    raw, averaged = small_model(normalisation=None), small_model(normalisation=None)
    steps = []

    class Watching(RegressionObjective):
        def loss(self, prediction, data):
            if prediction.requires_grad:
                steps.append({n: t.detach().clone() for n, t in raw.state_dict().items()})
            return super().loss(prediction, data)

    one = {"epochs": 1, "batch_size": 5}
    train(raw, objective=Watching(), **one)
    train(averaged, average_decay=0.9, **one)
    wanted = steps[1]
    for state in [*steps[2:], raw.state_dict()]:
        wanted = {name: 0.9 * wanted[name] + 0.1 * state[name] for name in wanted}
    for name, tensor in averaged.state_dict().items():
        torch.testing.assert_close(tensor, wanted[name])


def test_augmentation_sees_training_batches_only_and_draws_by_the_seed() -> None:
    seen = []

    def noisy(data: Data, generator: torch.Generator) -> Data:
        seen.append(data.num_graphs)
        data.x = data.x + torch.randn(data.x.shape, generator=generator)
        return data

    models = [small_model() for _ in range(3)]
    train(models[0], augment=noisy, epochs=2)
    assert sum(seen) == 2 * len(TRAIN)
    train(models[1], augment=noisy, epochs=2)
    train(models[2], epochs=2)
    assert weights(models[0]) == weights(models[1]) != weights(models[2])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_stays_near_full_precision(precision: str) -> None:
    full, mixed = small_model(dropout=0.0), small_model(dropout=0.0)
    wanted = train(full).best_metrics["mse"]
    # The first epoch leaves more than twice that. Closer to each other, trainings would depend on
    # the instructions of the processor, whose roundings grow with every step.
    assert train(mixed, mixed_precision=precision).best_metrics["mse"] < 1.5 * wanted
    assert mixed.state_dict().keys() == full.state_dict().keys()
    assert all(p.dtype == torch.float32 for p in mixed.parameters())
    assert weights(mixed) != weights(full)


def test_the_result_counts_its_time() -> None:
    result = train(small_model(), epochs=3)
    seconds = sum(row["training_seconds"] for row in result.history)
    assert result.samples_per_second == pytest.approx(3 * len(TRAIN) / seconds)
    assert 0 < result.loader_share < 1


def test_a_precomputed_encoding_is_handed_on() -> None:
    encoding = {"kind": "random_walk", "steps": 3}
    model = small_model(encoding=encoding, normalisation=None).eval()
    graphs = rings(3)
    for graph in graphs:
        graph.encoding = model.encode(graph.edge_index, graph.num_nodes).float()
    wanted = predict(model, GraphStore.from_data_list(graphs))
    store = GraphStore.from_data_list(graphs, exclude_keys=["encoding"])
    torch.testing.assert_close(predict(model, store), wanted)
    store = GraphStore.from_data_list(graphs)
    store.tensors["encoding"].zero_()
    assert not torch.equal(predict(model, store), wanted)


def test_predictions_leave_the_model_as_it_was() -> None:
    model = small_model().train()
    before = weights(model)
    first, second = predict(model, VALIDATION, 2), predict(model, VALIDATION, 100)
    torch.testing.assert_close(first, second)
    assert first.shape == (VALIDATION.num_nodes, 1)
    assert not first.requires_grad
    assert model.training
    assert weights(model) == before
    with pytest.raises(TrainingError, match="nothing to predict"):
        predict(model, VALIDATION.select([]))


def test_logs_for_people_and_programs(tmp_path, capsys) -> None:
    result = fit(small_model(), TRAIN, VALIDATION, settings(), OBJECTIVE, tmp_path)
    lines = (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == result.history
    printed = capsys.readouterr()
    assert printed.out == ""
    said = printed.err.splitlines()
    assert all("graphs per second" in line for line in said)
    assert [line.split(",")[0] for line in said] == [
        f"epoch {row['epoch']:.0f}" for row in result.history
    ]
    assert all("r2" in line for line in said)
    assert f"r2 {result.history[-1]['validation_r2']:.4g}" in printed.err


def test_a_bar_on_a_terminal(capsys, monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    fit(small_model(), TRAIN, VALIDATION, settings(epochs=2), OBJECTIVE)
    assert "graphs/s" in capsys.readouterr().err


def broken(value: float) -> GraphStore:
    graphs = rings(4)
    graphs[2].y[1] = value
    return GraphStore.from_data_list(graphs)


def test_labels_that_are_not_finite_name_their_split() -> None:
    with pytest.raises(TrainingError, match=r"training split: 1 of .* are not finite, such as nan"):
        fit(small_model(), broken(math.nan), VALIDATION, settings(), OBJECTIVE, progress=False)
    with pytest.raises(TrainingError, match=r"validation split: .* such as inf"):
        fit(small_model(), TRAIN, broken(math.inf), settings(), OBJECTIVE, progress=False)
    with pytest.raises(TrainingError, match="the training split is empty"):
        fit(small_model(), TRAIN.select([]), TRAIN, settings(), OBJECTIVE, progress=False)


def test_a_loss_that_is_not_finite_says_where() -> None:
    with pytest.raises(TrainingError, match=r"loss is (nan|inf) in step \d of epoch \d; lower"):
        train(small_model(normalisation=None), optimiser="sgd", learning_rate=1e30)


def test_the_deciding_metric_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="'f1' is no metric; choose one of loss, r2, mse"):
        train(small_model(), objective=RegressionObjective(select_by="f1"))
    with pytest.raises(TrainingError, match="group_by 'colour' is no tensor of items; they have"):
        train(small_model(), group_by="colour")
    with pytest.raises(TrainingError, match="group_by 'colour' is no tensor of items"):
        train(small_model(), out=tmp_path / "run", group_by="colour")
    assert not (tmp_path / "run").exists()
    alike = VALIDATION.select([0])
    alike.tensors["y"].zero_()
    with pytest.raises(TrainingError, match="r2 on validation is nan in epoch 1"):
        fit(small_model(), TRAIN, alike, settings(), OBJECTIVE, progress=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(TrainingError, match="device 'cuda' is not there; choose 'cpu'"):
        train(small_model(), device="cuda")
