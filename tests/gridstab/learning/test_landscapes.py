"""Stability landscapes are learnt from simulated folders and from published files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from torchmetrics.functional.image import structural_similarity_index_measure
from typer.testing import CliRunner

import gridstab
from gnncore.errors import SpecificationError, TrainingError
from gridstab.cli import app
from gridstab.datasets import Campaign, LandscapeFolder, export_landscapes, run_landscapes
from gridstab.datasets.layouts.landscapes import PublishedLandscapes, write_landscapes
from gridstab.dynamics.engines import ENGINES
from gridstab.errors import DatasetError, InvalidParameterError, RunFolderError
from gridstab.learning.baselines import Baseline
from gridstab.learning.data import GridDataset, load_grid_dataset
from gridstab.learning.evaluation import evaluate
from gridstab.learning.landscape_metrics import snbs_of_images
from gridstab.learning.landscape_objective import (
    LandscapeObjective,
    pixel_r2,
    structural_similarity,
)
from gridstab.learning.mirror import flip_signs, mirrored
from gridstab.learning.tasks import TASKS
from gridstab.learning.train import train_model
from gridstab.learning.trained import Ensemble, TrainedModel
from gridstab.learning.training_report import report_of_training
from tests.gridstab.disc_engine import DiscEngine

SIZE, NODES, GRIDS = 8, 6, 10
TASK = TASKS["landscape"]
pytestmark = pytest.mark.usefixtures("learning")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Landscapes whose basins are discs, smaller for some nodes: simulated, and published."""
    root = tmp_path_factory.mktemp("landscapes")
    radius = np.array([0.4, 0.9, 0.7, 0.95, 0.5, 0.8])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, "disc", lambda: DiscEngine(radius))
        campaign = Campaign.resolve(nodes=NODES, grids=GRIDS, seed=5, engine="disc")
        run_landscapes(campaign, root / "own", resolution=SIZE, workers=1)
        run_landscapes(campaign, root / "finer", resolution=SIZE + 1, workers=1)
        farther = campaign.model_copy(update={"domega_range": 20.0})
        run_landscapes(farther, root / "farther", resolution=SIZE, workers=1)
    published = export_landscapes(root / "own", root / "published")
    return {name: root / name for name in ("own", "finer", "farther")} | {"published": published}


@pytest.fixture(scope="module")
def trained(
    places: dict[str, Path],
    tiny_model: Path,
    learning_surroundings: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("drawing") / "model"
    with learning_surroundings():
        train_model(tiny_model, places["own"], folder, task="landscape", sign_invariant=True)
    return folder


# Images as data.


def test_simulated_images_are_the_labels(places: dict[str, Path]) -> None:
    dataset = load_grid_dataset(places["own"], target="landscape", cache=False)
    folder = LandscapeFolder.open(places["own"])
    assert dataset.raster is not None
    assert (dataset.raster.resolution, dataset.raster.domega_range) == (SIZE, 15.0)
    for index, grid_id in enumerate(dataset.grid_ids):
        truth = folder.landscapes(grid_id)
        data = dataset[index]
        assert data.y.dtype == torch.float32
        np.testing.assert_array_equal(data.y.reshape(-1, SIZE, SIZE), truth.status == 1)
        np.testing.assert_array_equal(data.n_stable / data.n_samples, truth.snbs.astype("f4"))
    assert {split: len(ids) for split, ids in dataset.get_idx_split().items()} == {
        "train": 7, "valid": 1, "test": 2,
    }  # fmt: skip
    snbs = load_grid_dataset(places["own"], cache=False)
    np.testing.assert_allclose(snbs.store.tensors["y"], dataset.store.tensors["y"].mean(1))


def test_published_images_are_the_same_data(places: dict[str, Path], tmp_path: Path) -> None:
    own, published = (
        load_grid_dataset(places[name], target="landscape", cache=tmp_path / "cache")
        for name in ("own", "published")
    )
    for name in ("x", "edge_index", "edge_attr", "y", "n_samples", "n_stable"):
        torch.testing.assert_close(own.store.tensors[name], published.store.tensors[name])
    assert published.grid_ids == own.grid_ids
    assert published.raster == own.raster
    again = load_grid_dataset(
        places["published"].parent.parent, target="landscape", cache=tmp_path / "cache"
    )
    torch.testing.assert_close(again.store.tensors["y"], published.store.tensors["y"])


def test_snbs_of_published_images_counts_all_perturbations(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = rng.integers(1, 30, (NODES, SIZE, SIZE))
    lost = rng.binomial(samples, 0.3)
    grid = gridstab.random_grid(NODES, seed=1)
    for number in (1, 2):
        one = PublishedLandscapes(number, grid, lost / samples, samples.astype(float))
        write_landscapes(tmp_path / "p", [one])
    dataset = load_grid_dataset(tmp_path / "p", target="landscape", cache=False)
    share = 1 - lost.sum((1, 2)) / samples.sum((1, 2))
    found = evaluate(dataset.store.tensors["y"], dataset, TASK)
    assert found["ssim"] == pytest.approx(1)
    assert found["pixel_r2"] == 1
    plain = (1 - lost / samples).mean((1, 2))
    assert found["snbs_mae"] == pytest.approx(np.abs(plain - share).mean(), rel=1e-4)


def test_images_of_another_kind_are_refused(
    places: dict[str, Path], labelled_run: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match="has no labels 'landscape'; it has snbs"):
        load_grid_dataset(labelled_run, target="landscape", cache=False)
    with pytest.raises(InvalidParameterError, match=r"the landscapes in .* know their own"):
        load_grid_dataset(places["published"], samples=5)
    grid = gridstab.random_grid(NODES, seed=1)
    samples = np.ones((NODES, SIZE, SIZE))
    empty = samples.copy()
    empty[3, 1, 2] = 0
    write_landscapes(tmp_path / "e", [PublishedLandscapes(1, grid, 0 * samples, empty)])
    with pytest.raises(DatasetError, match=r"node 3 of grid 1 .* its pixel \(1, 2\)"):
        load_grid_dataset(tmp_path / "e", target="landscape", cache=False)
    small = np.ones((NODES, SIZE - 1, SIZE - 1))
    write_landscapes(
        tmp_path / "s",
        [
            PublishedLandscapes(1, grid, 0 * samples, samples),
            PublishedLandscapes(2, grid, 0 * small, small),
        ],
    )
    with pytest.raises(RunFolderError, match="7 × 7 pixels, expected 8 × 8"):
        load_grid_dataset(tmp_path / "s", target="landscape", cache=False)


def test_the_mirror_turns_images(places: dict[str, Path]) -> None:
    dataset = load_grid_dataset(places["own"], target="landscape", cache=False)
    tensors = dataset.grids.tensors
    images = torch.rand(tensors["landscape"].shape, generator=torch.Generator().manual_seed(0))
    varied = GridDataset(
        type(dataset.grids)(
            {**tensors, "landscape": images}, dataset.grids.levels, dataset.grids.pointers
        ),
        dataset.store.tensors["x"],
        dataset.store.tensors["edge_attr"],
        name="varied",
        features=dataset.features,
        target="landscape",
        splits=dataset.splits,
    )
    opposite = mirrored(varied)
    turned = opposite.store.tensors["y"].reshape(-1, SIZE, SIZE)
    np.testing.assert_array_equal(turned, np.rot90(images.numpy(), 2, axes=(1, 2)))
    batch = varied.store.whole()
    flipped = flip_signs(batch, torch.Generator().manual_seed(3), features=varied.features)
    changed = (flipped.x != batch.x).any(1)
    assert 0 < int(changed.sum()) < len(changed)
    expected = torch.where(changed[:, None], opposite.store.tensors["y"], batch.y)
    assert torch.equal(flipped.y, expected)


# The similarity of images.


def plain_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """The formula, pixel by pixel, over windows of the mirrored image."""
    offsets = np.arange(-5, 6)
    weight = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    a, b = (np.pad(image, 5, mode="reflect") for image in (x, y))
    values = []
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            mp, mq = (weight * p).sum(), (weight * q).sum()
            vp, vq = (weight * p * p).sum() - mp**2, (weight * q * q).sum() - mq**2
            cov = (weight * p * q).sum() - mp * mq
            c1, c2 = 0.01**2, 0.03**2
            top = (2 * mp * mq + c1) * (2 * cov + c2)
            values.append(top / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return float(np.mean(values))


def test_similarity_is_the_published_formula() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 3, 9, 9))
    y[1] = x[1]
    found = structural_similarity(
        torch.tensor(x).reshape(3, -1), torch.tensor(y).reshape(3, -1)
    ).numpy()
    np.testing.assert_allclose(found, [plain_similarity(a, b) for a, b in zip(x, y, strict=True)])
    assert found[1] == pytest.approx(1)
    with pytest.raises(InvalidParameterError, match=r"at least 6 × 6 pixels, .* got 5 × 5"):
        structural_similarity(torch.rand(1, 25), torch.rand(1, 25))


def test_pixel_r2_is_that_of_scikit_learn() -> None:
    x, y = torch.rand(2, 4, 9, generator=torch.Generator().manual_seed(0))
    assert pixel_r2(x, y) == pytest.approx(r2_score(y.ravel(), x.ravel()))
    assert math.isnan(pixel_r2(x, torch.ones(4, 9)))


@pytest.mark.parametrize("side", [6, 9, 20])
def test_similarity_and_its_gradient_are_those_of_torchmetrics(side: int) -> None:
    rng = np.random.default_rng(side)
    label = torch.from_numpy(rng.integers(0, 2, (5, side**2)).astype(np.float64))
    label[0] = 1.0  # even images have no variance
    ours, theirs = (
        torch.from_numpy(np.random.default_rng(1).uniform(size=(5, side**2))).requires_grad_()
        for _ in range(2)
    )
    found = structural_similarity(ours, label)
    expected = structural_similarity_index_measure(
        theirs.reshape(-1, 1, side, side),
        label.reshape(-1, 1, side, side),
        sigma=1.5,
        data_range=1.0,
        reduction="none",
    )
    assert isinstance(expected, torch.Tensor)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_the_loss_is_cross_entropy_and_dissimilarity() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction = torch.rand(5, 64, generator=generator, dtype=torch.float64)
    label = (torch.rand(5, 64, generator=generator) > 0.5).double()
    entropy = -(label * prediction.log() + (1 - label) * (1 - prediction).log()).mean()
    unlike = (1 - structural_similarity(prediction, label).mean()) / 2
    batch: Any = {"y": label}
    for weight in (0.0, 0.3, 1.0):
        loss = LandscapeObjective(weight).loss(prediction, batch)
        assert float(loss) == pytest.approx(float((1 - weight) * entropy + weight * unlike))
    assert float(LandscapeObjective().size(batch)) == 5
    for bad in (None, label[:, :60], label[0], label * 2, label[:, :25]):
        with pytest.raises(TrainingError, match=r"images|shares|pixels"):
            LandscapeObjective().check({"y": bad})  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=r"predicts shape \(5, 1\)"):
        LandscapeObjective().loss(prediction[:, :1], batch)


# Training and predicting.


def test_a_network_learns_to_draw(trained: Path, places: dict[str, Path]) -> None:
    model = TrainedModel.load(trained)
    assert model.config.raster is not None
    assert model.config.raster.resolution == SIZE
    assert model.model.specification.out_channels == SIZE**2
    assert model.calibration is None
    test = load_grid_dataset(places["own"], target="landscape", split="test", cache=False)
    images = model.predict(test)
    assert images.shape == (len(test) * NODES, SIZE, SIZE)
    assert bool(((images >= 0) & (images <= 1)).all())
    found = evaluate(images, test, TASK)
    assert found == pytest.approx(model.metrics["test"])
    label = test.store.tensors["y"]
    assert found["snbs_r2"] == pytest.approx(
        r2_score(label.mean(1), images.flatten(1).mean(1)), abs=1e-5
    )
    assert found["ssim"] == pytest.approx(
        np.mean([
            plain_similarity(x, y)
            for x, y in zip(
                images.double().numpy(), label.reshape(-1, SIZE, SIZE).double().numpy(), strict=True
            )
        ]),
        abs=1e-4,
    )  # fmt: skip
    history = [json.loads(row) for row in (trained / "history.jsonl").read_text().splitlines()]
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]


def test_invariant_models_turn_their_images(trained: Path) -> None:
    model = TrainedModel.load(trained)
    grid = gridstab.random_grid(NODES, seed=3)
    opposite = gridstab.PowerGrid.from_arrays(grid.lines, -grid.power, coupling=grid.coupling)
    one, other = (model.predict_with_range(each)[0] for each in (grid, opposite))
    assert torch.equal(one, other.flip(1, 2))
    assert not torch.equal(model.predict_with_range(grid, sign_invariant=False)[0], one)


def test_predictions_hold_images_and_their_snbs(trained: Path, places: dict[str, Path]) -> None:
    found = gridstab.predict(trained, str(places["own"]))
    assert found.landscapes is not None
    assert found.landscapes.shape == (GRIDS * NODES, SIZE, SIZE)
    np.testing.assert_allclose(found.value, found.landscapes.mean((1, 2)))
    assert found.label is not None
    assert found.judged is not None
    new = found.judged.nodes
    assert 0 < new.sum() < len(new)
    truth = r2_score(found.label[new], found.value[new])
    assert found.metrics["snbs_r2"] == pytest.approx(truth, abs=1e-5)
    rows = found.rows(3)
    assert rows[0]["prediction"] == found.value.min()
    assert rows[0]["low"] <= rows[0]["label"] <= rows[0]["high"]
    texts = [panel.get_title() for panel in found.plot().axes]
    assert sum("predicted" in text for text in texts) == NODES
    assert sum("simulated" in text for text in texts) == NODES
    alone = gridstab.predict(trained, gridstab.random_grid(NODES, seed=3))
    assert not any("simulated" in panel.get_title() for panel in alone.plot().axes)
    report = report_of_training(trained, places["own"])
    assert ("SSIM of the landscapes", f"{report.metrics['ssim']:.3f}") in report.facts


def test_wrong_rasters_are_refused(
    trained: Path, places: dict[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    model = TrainedModel.load(trained)
    for name, message in (
        ("finer", "9 × 9 pixels, but the model was trained on 8 × 8"),
        ("farther", "reach up to 20 rad/s, but the model was trained on 15"),
    ):
        dataset = load_grid_dataset(places[name], target="landscape", cache=False)
        with pytest.raises(DatasetError, match=message):
            model.predict(dataset)
        if name == "finer":
            with pytest.raises(InvalidParameterError, match="landscapes of 9 × 9 pixels"):
                evaluate(torch.rand(GRIDS * NODES, SIZE, SIZE), dataset, TASK)
    train_model(tiny_model, places["finer"], tmp_path / "finer", task="landscape", epochs=1)
    with pytest.raises(InvalidParameterError, match="landscapes of one kind, got resolutions 8"):
        Ensemble.load(trained, tmp_path / "finer")
    with pytest.raises(InvalidParameterError, match="predicts images, which have no intervals"):
        gridstab.predict(trained, gridstab.random_grid(NODES, seed=3), intervals=0.5)
    file = tmp_path / "seven.toml"
    file.write_text(tiny_model.read_text().replace("[8, 8]", "[8, 8]\nout_channels = 7", 1))
    with pytest.raises(SpecificationError, match="out_channels of the model is 7, but landscapes"):
        train_model(file, places["own"], tmp_path / "seven", task="landscape")
    assert not (tmp_path / "seven").exists()


def test_baselines_draw_no_images() -> None:
    with pytest.raises(InvalidParameterError, match="baselines give one number a node"):
        Baseline("ridge", TASK)


def test_the_commands(
    places: dict[str, Path], labelled_run: Path, tiny_model: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> Any:
        ran = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "160"})
        assert ran.exit_code == code, ran.output
        return ran

    data = str(places["published"])
    trainings = ("train", "--model", str(tiny_model), "--workers", "1", "--epochs", "1")
    asked = (*trainings, "--data", data, "--task", "landscape", "--out", "m")
    assert "SSIM of the landscapes" in run(*asked).stdout
    predicted = json.loads(
        run("predict", "m", "--case", data, "--picture", "p.png", "--json").stdout
    )
    assert predicted["metrics"]["ssim"] <= 1
    assert len(predicted["results"]) == GRIDS * NODES
    assert Path("p.png").stat().st_size > 10_000
    evaluated = json.loads(run("evaluate", "m", "--data", data, "--json").stdout)
    assert evaluated["metrics"]["pixel_accuracy"] > 0
    finer = str(places["finer"])
    for bad in (
        ("evaluate", "m", "--data", finer),
        ("predict", "m", "--case", finer, "--out", "n.csv"),
        ("predict", "m", "--case", data, "--intervals", "0.5"),
        (*trainings, "--data", str(labelled_run), "--task", "landscape", "--out", "n"),
    ):
        ran = run(*bad, code=2)
        assert ran.stderr.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == ["m", "p.png"]


def test_the_mean_of_an_image_is_its_snbs() -> None:
    images = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]])
    assert snbs_of_images(images).tolist() == [0.75]
