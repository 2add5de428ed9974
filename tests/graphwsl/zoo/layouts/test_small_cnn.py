"""The Small CNN Zoo in place: its networks compute what Keras' do, and bad rows are named."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from graphwsl.errors import ZooError
from graphwsl.imports import load_into
from graphwsl.zoo import Zoo, open_zoo
from graphwsl.zoo.layouts.small_cnn import SmallCNNZoo
from tests.graphwsl.zoo.layouts.published_layouts import (
    SMALL_CNN_SHAPES,
    small_cnn_row,
    write_small_cnn_zoo,
)

PARAMETERS = 4970
ROWS = [small_cnn_row(model, step) for model in ("runs/b", "runs/a") for step in (0, 1, 86)]


def keras(row: np.ndarray, image: np.ndarray, activation: str) -> np.ndarray:
    """Logits of one image, computed as slowly as the layers of Keras are defined."""
    parameters, start = {}, 0
    for name, shape in SMALL_CNN_SHAPES.items():
        parameters[name] = row[start : (start := start + int(np.prod(shape)))].reshape(shape)
    act = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}[activation]
    x = image[:, :, None]
    for layer in ("conv2d", "conv2d_1", "conv2d_2"):
        kernel = parameters[f"sequential/{layer}/kernel:0"]
        maps = []
        for output in range(kernel.shape[3]):
            map_ = sum(
                correlate2d(x[:, :, c], kernel[:, :, c, output], mode="valid")
                for c in range(kernel.shape[2])
            )
            maps.append(map_[::2, ::2] + parameters[f"sequential/{layer}/bias:0"][output])
        x = act(np.stack(maps, axis=-1))
    mean = x.mean(axis=(0, 1))
    return mean @ parameters["sequential/dense/kernel:0"] + parameters["sequential/dense/bias:0"]


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (6, PARAMETERS)).astype(np.float32)


@pytest.mark.parametrize("layout", [True, False])
@pytest.mark.parametrize(
    ("activation", "dataset", "size"), [("relu", "mnist", 28), ("tanh", "cifar10", 32)]
)
def test_networks_compute_what_those_of_keras_do(
    tmp_path: Path, weights: np.ndarray, layout: bool, activation: str, dataset: str, size: int
) -> None:
    rows = [row | {"config.activation": activation, "config.dataset": dataset} for row in ROWS]
    write_small_cnn_zoo(tmp_path, weights, rows, layout=layout)
    zoo = open_zoo(tmp_path)
    assert isinstance(zoo, Zoo)
    assert zoo.problems == []
    number = 4  # "runs/a" at epoch 1, which comes second when ordered by model
    checkpoint = zoo.checkpoints[1]
    assert (checkpoint.model, checkpoint.epoch) == ("runs/a", 1)
    module = load_into(zoo.module(checkpoint), zoo.weights(checkpoint))
    image = np.random.default_rng(1).normal(size=(size, size)).astype(np.float32)
    with torch.no_grad():
        logits = module(torch.from_numpy(image)[None, None])[0].numpy()
    np.testing.assert_allclose(logits, keras(weights[number], image, activation), atol=1e-4)
    assert zoo.example_inputs(checkpoint).shape == (1, 1, size, size)


def test_every_number_has_its_index(tmp_path: Path) -> None:
    """Weights that count from 0 come out with every count once, and each at its index."""
    write_small_cnn_zoo(tmp_path, np.arange(PARAMETERS, dtype=np.float32)[None], ROWS[:1])
    zoo = open_zoo(tmp_path)
    state = zoo.weights(zoo.checkpoints[0])
    everything = torch.cat([tensor.flatten() for tensor in state.values()])
    assert torch.equal(everything.sort().values, torch.arange(float(PARAMETERS)))
    # Keras: kernel[y, x, input, output] of the first layer, after its 16 biases.
    assert state["module_list.0.weight"][5, 0, 1, 2] == 16 + (1 * 3 + 2) * 16 + 5


def test_rows_have_both_names(tmp_path: Path, weights: np.ndarray) -> None:
    write_small_cnn_zoo(tmp_path, weights, ROWS)
    checkpoints = open_zoo(tmp_path).checkpoints
    published = {name: value for name, value in ROWS[0].items() if name.startswith("config.")}
    assert checkpoints[0].configuration == {
        **published,
        "architecture": "unterthiner",
        "activation": "relu",
        "bias_initialisation": "zeros",
        "data_fraction": 0.5,
        "dropout": 0.25,
        "image_size": 28,
        "in_channels": 1,
        "initialisation": "he_normal",
        "initialisation_std": 0.05,
        "learning_rate": 0.003,
        "optimiser": "adam",
        "out_channels": 10,
        "seed": 42,
        "weight_decay": 1e-5,
        "width": 16,
    }
    assert checkpoints[0].metrics == {
        "train_loss": 1.0,
        "train_accuracy": 0.75,
        "test_loss": 1.5,
        "test_accuracy": 0.5,
        "generalisation_gap": 0.25,
    }
    # Rows of one training share their configuration; there are hundreds of thousands of rows.
    assert checkpoints[0].configuration is checkpoints[5].configuration


def test_weights_stay_on_the_disk(tmp_path: Path, weights: np.ndarray) -> None:
    write_small_cnn_zoo(tmp_path, weights, ROWS)
    zoo = SmallCNNZoo.open(tmp_path)
    assert isinstance(zoo._weights, np.memmap)
    state = zoo.weights(zoo.checkpoints[0])
    state["module_list.0.weight"].zero_()  # a copy: neither the file nor its map changes
    assert zoo.weights(zoo.checkpoints[0])["module_list.0.weight"].any()


def test_bad_rows_are_named(tmp_path: Path, weights: np.ndarray) -> None:
    weights[1, 17] = np.nan
    rows = [
        small_cnn_row("a", 0),
        small_cnn_row("a", 1),
        small_cnn_row("b", 0, test_loss="nan"),
        small_cnn_row("b", 1, train_loss="x"),
        small_cnn_row("c", 0, config__dnn_architecture="fcn"),
        small_cnn_row("a", 0),
    ]
    write_small_cnn_zoo(tmp_path, weights, rows)
    zoo = SmallCNNZoo.open(tmp_path)
    assert [(c.model, c.epoch) for c in zoo.checkpoints] == [("a", 0), ("a", 1)]
    found = {problem.path: problem.reason for problem in zoo.verify()}
    assert [(c.model, c.epoch) for c in zoo.checkpoints] == [("a", 0)]
    assert found.keys() == {
        "metrics.csv.gz, row 4",
        "metrics.csv.gz, row 6",
        "weights.npy, row 2",
        "weights.npy, row 3",
        "c",
    }
    assert "'x'" in found["metrics.csv.gz, row 4"]
    assert "'a' at epoch 0 is there twice" in found["metrics.csv.gz, row 6"]
    assert "'module_list.0.weight' holds values that are not finite" in found["weights.npy, row 2"]
    assert "test_loss is nan" in found["weights.npy, row 3"]
    assert "unknown architecture 'fcn of 3 layers'" in found["c"]


def _objects(folder: Path) -> None:
    np.save(folder / "weights.npy", np.array([{}], dtype=object))


def _one_row_less(folder: Path) -> None:
    np.save(folder / "weights.npy", np.zeros((5, PARAMETERS), np.float32))


def _one_column_less(folder: Path) -> None:
    np.save(folder / "weights.npy", np.zeros((6, PARAMETERS - 1), np.float32))


def _archive(folder: Path) -> None:
    np.savez(folder / "weights.npz", w=np.zeros(3))
    (folder / "weights.npz").rename(folder / "weights.npy")


def _truncated(folder: Path) -> None:
    data = (folder / "weights.npy").read_bytes()
    (folder / "weights.npy").write_bytes(data[:-1])


def _no_gzip(folder: Path) -> None:
    (folder / "metrics.csv.gz").write_text("a,b\n")


def _other_columns(folder: Path) -> None:
    (folder / "metrics.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))


def _layout_of_others(folder: Path) -> None:
    (folder / "layout.csv").write_text("varname,start_idx,end_idx,shape\nx/gamma:0,0,16,(16)\n")


def _layout_with_gaps(folder: Path) -> None:
    (folder / "layout.csv").write_text("varname,start_idx,end_idx,shape\nx/bias:0,0,17,(16)\n")


def _layout_without_numbers(folder: Path) -> None:
    (folder / "layout.csv").write_text("varname,start_idx,end_idx,shape\nx/bias:0,a,b,(16)\n")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_objects, "holds object of shape (1,)"),
        (_one_row_less, "5 rows of weights and 6 of metrics"),
        (_one_column_less, "4969 columns, their layout has 4970"),
        (_archive, "no array of NumPy"),
        (_truncated, "not what its header says"),
        (_no_gzip, "no compressed table"),
        (_other_columns, "no column 'modeldir'"),
        (_layout_of_others, "'x/gamma:0'"),
        (_layout_with_gaps, "not as long as its shape"),
        (_layout_without_numbers, "no table of a layout"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    tmp_path: Path, weights: np.ndarray, spoil: Any, reason: str
) -> None:
    write_small_cnn_zoo(tmp_path, weights, ROWS)
    spoil(tmp_path)
    with pytest.raises(ZooError) as caught:
        open_zoo(tmp_path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_truncated_tables_are_refused_or_short(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("small")
    write_small_cnn_zoo(folder, np.zeros((6, PARAMETERS), np.float32), ROWS)
    path = folder / data.draw(st.sampled_from(["metrics.csv.gz", "weights.npy", "layout.csv"]))
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 5))])
    with pytest.raises(ZooError):
        open_zoo(folder)
