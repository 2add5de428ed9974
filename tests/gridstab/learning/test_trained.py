import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gnncore.models import GraphModel
from gnncore.storage import Manifest
from gridstab import random_grid
from gridstab.errors import DatasetError, InvalidParameterError, RunFolderError
from gridstab.features.feature_set import FeatureSet
from gridstab.grids.power_grid import PowerGrid
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.normalisation import Normalisation
from gridstab.learning.train import train_model
from gridstab.learning.trained import Ensemble, TrainedModel

GRID = random_grid(20, seed=7)


def mirror(grid: PowerGrid) -> PowerGrid:
    return replace(grid, power=-grid.power)


def permuted(grid: PowerGrid, order: np.ndarray) -> PowerGrid:
    """Node ``order[i]`` becomes node i."""
    number = np.argsort(order)
    return PowerGrid.from_arrays(number[grid.lines], grid.power[order], coupling=grid.coupling)


@pytest.fixture
def model(trained_run: Path) -> TrainedModel:
    return TrainedModel.load(trained_run)


@pytest.fixture
def copy(trained_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_run, tmp_path / "copy"))


@pytest.fixture
def dataset(labelled_run: Path, learning: None) -> GridDataset:
    return load_grid_dataset(labelled_run)


@pytest.fixture(scope="module")
def operating_folder(
    labelled_run: Path,
    tiny_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
    learning_surroundings: Any,
) -> Path:
    folder = tmp_path_factory.mktemp("operating")
    text = tiny_model.read_text().replace("published", "operating_point")
    file = folder / "operating.toml"
    file.write_text(text.replace('"tag"', '"gine"').replace("{K = 2}", "{}") + "seed = 5\n")
    with learning_surroundings():
        train_model(file, labelled_run, folder / "run", sign_invariant=True)
    return folder / "run"


@pytest.fixture
def operating_model(operating_folder: Path, learning: None) -> TrainedModel:
    return TrainedModel.load(operating_folder)


def test_predictions_of_a_set_are_those_of_its_grids(
    model: TrainedModel, dataset: GridDataset
) -> None:
    together = model.predict(dataset)
    assert together.shape == (240,)
    assert bool(((together >= 0) & (together <= 1)).all())
    one_by_one = torch.cat([model.predict(grid) for grid in dataset.power_grids()])
    torch.testing.assert_close(together, one_by_one, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        model.predict(list(dataset.power_grids()), batch_size=5), one_by_one, atol=1e-6, rtol=0
    )


def test_renumbered_nodes_keep_their_predictions(model: TrainedModel) -> None:
    order = np.random.default_rng(0).permutation(20)
    expected = model.predict(GRID)[torch.from_numpy(order)]
    torch.testing.assert_close(model.predict(permuted(GRID, order)), expected, atol=1e-6, rtol=0)


def test_sign_invariance_is_exact(model: TrainedModel) -> None:
    plain, opposite = model.predict(GRID), model.predict(mirror(GRID))
    assert not torch.equal(plain, opposite)
    symmetric = model.predict(GRID, sign_invariant=True)
    assert torch.equal(symmetric, model.predict(mirror(GRID), sign_invariant=True))
    assert torch.equal(symmetric, (plain + opposite) / 2)


def test_sign_invariance_is_a_property_of_the_folder(operating_model: TrainedModel) -> None:
    """Here features are computed anew for the mirrored grid, with its own operating point."""
    symmetric = operating_model.predict(GRID)
    torch.testing.assert_close(symmetric, operating_model.predict(mirror(GRID)))
    plain = operating_model.predict(GRID, sign_invariant=False)
    assert float((plain - symmetric).abs().max()) > 1e-4


def test_an_ensemble_predicts_the_mean(
    model: TrainedModel, operating_model: TrainedModel, dataset: GridDataset
) -> None:
    ensemble = Ensemble((model, operating_model, model))
    expected = (2 * model.predict(GRID) + operating_model.predict(GRID)) / 3
    torch.testing.assert_close(ensemble.predict(GRID), expected)
    grids = list(dataset.power_grids())
    torch.testing.assert_close(
        ensemble.predict(dataset), ensemble.predict(grids), atol=1e-6, rtol=0
    )


def test_an_ensemble_has_one_task(model: TrainedModel) -> None:
    other = replace(model, config=model.config.model_copy(update={"task": "survivability"}))
    with pytest.raises(InvalidParameterError, match="snbs, survivability"):
        Ensemble((model, other))
    with pytest.raises(InvalidParameterError, match="no models"):
        Ensemble.load()


def test_a_set_with_other_features_is_refused(model: TrainedModel, dataset: GridDataset) -> None:
    other = dataset.with_features(FeatureSet(node=("power", "degree")))
    with pytest.raises(DatasetError, match="power, degree of nodes"):
        model.predict(other)
    with pytest.raises(DatasetError, match="power, degree of nodes"):
        Ensemble((model,)).predict(other)
    with pytest.raises(DatasetError, match="no grids"):
        model.predict([])


def test_unfinished_and_foreign_folders_are_refused(copy: Path, labelled_run: Path) -> None:
    with pytest.raises(RunFolderError, match="no training folder"):
        TrainedModel.load(labelled_run)
    with pytest.raises(RunFolderError, match="is no folder"):
        TrainedModel.load(copy / "nowhere")
    with pytest.raises(RunFolderError, match=r"no config\.json"):
        TrainedModel.load(copy.parent)
    (copy / "manifest.json").unlink()
    with pytest.raises(RunFolderError, match="unfinished"):
        TrainedModel.load(copy)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "normalisation.json",
        "metrics.json",
        "model/config.json",
        "model/model.safetensors",
    ],
)
@pytest.mark.parametrize("kept", [0, 0.6])
def test_truncated_files_are_refused(copy: Path, name: str, kept: float) -> None:
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: int(kept * len(data))])
    with pytest.raises(RunFolderError, match=name.rpartition("/")[2]):
        TrainedModel.load(copy)


def test_another_model_is_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    specification = TrainedModel.load(copy).config.specification
    other = specification.model_copy(update={"hidden_channels": (8, 4)})
    GraphModel(other).save_pretrained(copy / "model")
    with pytest.raises(RunFolderError, match=r"model/config.json': it (has changed|holds)"):
        TrainedModel.load(copy)
    manifest = Manifest.read(copy)
    Manifest.of(copy, manifest.ignore).write()  # a change that the manifest goes along with
    with pytest.raises(RunFolderError, match="another model"):
        TrainedModel.load(copy)
    config["specification"]["hidden_channels"] = ["many"]
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunFolderError, match="hidden_channels"):
        TrainedModel.load(copy)


def test_normalised_features_are_standardised(dataset: GridDataset) -> None:
    features = FeatureSet.named("operating_point")
    store = dataset.with_features(features).store
    normalised = Normalisation.of(store, features)(store)
    x = normalised.tensors["x"].double().numpy()
    edge_attr = normalised.tensors["edge_attr"].double().numpy()
    parity = np.array(features.node_parity)
    assert {-1, 1} <= set(parity.tolist())
    np.testing.assert_allclose(x[:, parity > 0].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose((x**2).mean(axis=0), 1, atol=1e-5)
    # The couplings are constant and stay; all other columns of lines are only scaled.
    assert set(edge_attr[:, 0]) == {9.0}
    np.testing.assert_allclose((edge_attr[:, 1:] ** 2).mean(axis=0), 1, atol=1e-5)
    raw = store.tensors["edge_attr"].numpy()
    assert np.array_equal(np.sign(edge_attr), np.sign(raw))


def test_published_features_stay_as_published(dataset: GridDataset) -> None:
    normalisation = Normalisation.of(dataset.store, dataset.features)
    assert normalisation == Normalisation((0.0,), (1.0,), (0.0,), (1.0,))


def test_normalisation_knows_its_columns(dataset: GridDataset) -> None:
    with pytest.raises(DatasetError, match="expected 2 and 1"):
        Normalisation.of(dataset.store, FeatureSet(node=("power", "degree")))
