import numpy as np
import pytest
from typer.testing import CliRunner

from gnncore.models import ModelSpecification
from gridstab.cli import app
from gridstab.datasets import Campaign, run_campaign
from gridstab.dynamics.engines import ENGINES
from gridstab.errors import DatasetError, InvalidParameterError
from gridstab.learning.train import train_model
from gridstab.learning.training_report import read_history, report_of_training
from tests.gridstab.disc_engine import DiscEngine

TEST_GRIDS = [11, 12]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A run of twelve grids, and a model that was trained on it for three epochs."""
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, "disc", lambda: DiscEngine(np.array([0.9, 0.7, 0.5])))
        campaign = Campaign.resolve(nodes=6, grids=12, samples=20, seed=5, engine="disc")
        run = run_campaign(campaign, folder / "run", workers=1).folder
    specification = ModelSpecification(
        in_channels=1, layer="gcn", hidden_channels=4, num_layers=2, output="sigmoid"
    )
    model = train_model(
        specification,
        folder / "run",
        folder / "trained",
        features="published",
        epochs=3,
        batch_size=4,
        device="cpu",
    )
    return run, folder / "trained", model


def test_predictions_are_beside_the_labels_of_the_test_grids(folders):
    run, trained, model = folders
    report = report_of_training(trained, run.path, TEST_GRIDS[1])
    assert [reported.grid_id for reported in report.grids] == TEST_GRIDS[::-1]
    for reported in report.grids:
        result = run.result(reported.grid_id)
        np.testing.assert_allclose(reported.value, result.snbs, atol=1e-7)
        np.testing.assert_allclose(reported.interval, result.interval)
        np.testing.assert_array_equal(reported.troublemaker, result.troublemaker)
        assert reported.grid == result.grid
        alone = model.predict(result.grid)
        np.testing.assert_allclose(reported.prediction, alone, atol=1e-6)


def test_metrics_and_history_are_those_of_the_training(folders):
    run, trained, model = folders
    report = report_of_training(trained, run.path)
    assert report.metrics == pytest.approx(model.metrics["test"])
    assert [row["epoch"] for row in report.history] == [1, 2, 3]
    assert report.best_epoch == model.metrics["best_epoch"]
    assert dict(report.facts)["R²"] == f"{report.metrics['r2']:.3f}"
    assert report.configuration["settings"]["epochs"] == 3


def test_the_command_writes_the_page_and_says_what_it_needs(folders, tmp_path):
    run, trained, _ = folders

    def report(*arguments, code=0):
        result = CliRunner().invoke(app, ["report", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    page = tmp_path / "page.html"
    report(trained, "--data", run.path, "--out", page)
    assert "Prediction against simulation" in page.read_text()
    assert "give these or other labelled grids with --data" in report(trained, code=2).stderr
    assert "leave --data out" in report(run.path, "--data", "x", code=2).stderr


def test_grids_outside_the_test_split_are_refused(folders):
    run, trained, _ = folders
    with pytest.raises(InvalidParameterError, match="grid 1 is not among the 2 test grids"):
        report_of_training(trained, run.path, 1)


def test_a_damaged_history_is_told(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n{"epo')
    with pytest.raises(DatasetError, match="damaged"):
        read_history(tmp_path / "history.jsonl")
