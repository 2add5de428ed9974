"""Who is beyond what a model was trained on is said: in what, by how much, and at which nodes."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import gridstab
from gnncore.storage import Manifest
from gridstab.cli import app
from gridstab.errors import BeyondTrainingWarning, RunFolderError
from gridstab.features.feature_set import FeatureSet
from gridstab.learning import TrainedModel, train_model
from gridstab.learning.known_range import QUANTITIES, KnownRange
from gridstab.learning.trained import Ensemble

FEATURES = FeatureSet.named("published")
LINES = [(0, 1), (1, 2), (2, 3), (3, 0)]


def grid(**changes: Any) -> gridstab.PowerGrid:
    values: dict[str, Any] = {"coupling": 9.0, "damping": 0.1, "inertia": 1.0}
    power = changes.pop("power", [1.0, -1.0, 1.0, -1.0])
    return gridstab.PowerGrid.from_arrays(
        changes.pop("lines", LINES), np.array(power), **(values | changes)
    )


def range_of(*grids: gridstab.PowerGrid) -> KnownRange:
    x = np.concatenate([FEATURES.compute(one)[0] for one in grids])
    return KnownRange.of(grids, FEATURES, x)


def beyond(known: KnownRange, one: gridstab.PowerGrid) -> Any:
    return known.beyond([one], FEATURES, FEATURES.compute(one)[0])


@pytest.mark.parametrize(
    ("changes", "quantity", "nodes"),
    [
        ({"damping": 0.01}, "damping", [0, 1, 2, 3]),
        ({"damping": [0.1, 0.1, 0.2, 0.1]}, "damping", [2]),
        ({"inertia": [1.0, 3.0, 1.0, 1.0]}, "inertia", [1]),
        ({"power": [2.0, -1.0, -2.0, 1.0]}, "power", [0, 2]),
        ({"power": [1.0, -1.0, 0.0, 0.0]}, "absolute power", [2, 3]),
        ({"power": [1.0, -1.0, 0.5, -0.5]}, "absolute power", [2, 3]),
        ({"coupling": [9.0, 9.0, 9.0, 12.0]}, "largest coupling", [0, 3]),
        ({"coupling": [9.0, 8.0, 9.0, 9.0]}, "smallest coupling", [1, 2]),
        ({"lines": [*LINES, (0, 2)]}, "number of lines", [0, 2]),
    ],
)
def test_each_quantity_is_named_at_its_nodes(
    changes: dict[str, Any], quantity: str, nodes: list[int]
) -> None:
    known = range_of(grid())
    assert not beyond(known, grid())
    found = beyond(known, grid(**changes))
    assert np.flatnonzero(found.is_beyond[quantity]).tolist() == nodes
    assert np.flatnonzero(found.nodes).tolist() == nodes
    assert all(any(part.startswith(quantity) for part in found.of(node)) for node in nodes)
    assert quantity in found.text


def test_a_power_beyond_the_range_is_said_once() -> None:
    found = beyond(range_of(grid()), grid(power=[2.0, -1.5, -1.0, 0.5]))
    assert [len(found.of(node)) for node in range(4)] == [1, 1, 0, 1]
    assert found.of(0) == ["power 2 (trained on -1 to 1)"]
    assert found.of(3) == ["absolute power 0.5 (trained on 1)"]


def test_a_range_of_older_models_says_nothing_of_what_it_lacks() -> None:
    whole = range_of(grid()).to_dict()
    known = KnownRange.from_dict({n: v for n, v in whole.items() if n != "absolute power"})
    assert not beyond(known, grid(power=[1.0, -1.0, 0.0, 0.0])).is_beyond.get("absolute power")


def test_the_size_of_a_grid_is_no_matter_of_single_nodes() -> None:
    found = beyond(range_of(grid()), gridstab.grids.ring(6))
    assert "number of nodes 6 (trained on 4)" in found.text
    assert found.is_beyond["number of nodes"].all()


@given(st.lists(st.floats(0.05, 5.0), min_size=1, max_size=4), st.floats(0.001, 50.0))
def test_what_is_within_is_silent_and_what_is_not_is_said(seen: list[float], new: float) -> None:
    known = range_of(*(grid(damping=one) for one in seen))
    found = beyond(known, grid(damping=new))
    assert bool(found) == (not min(seen) - 1e-6 <= new <= max(seen) + 1e-6 * max(1, max(seen)))


def test_it_survives_a_file() -> None:
    known = range_of(grid(), grid(damping=0.3))
    assert KnownRange.from_dict(json.loads(json.dumps(known.to_dict()))) == known
    assert set(QUANTITIES) <= set(known.intervals)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known") / "model"
    train_model("default", "ds20", folder, train_grids=8, epochs=1, batch_size=8)
    return folder


def test_a_trained_model_warns_of_a_damping_that_it_never_saw(trained: Path) -> None:
    model = TrainedModel.load(trained)
    strange = gridstab.random_grid(20, seed=5)
    strange = gridstab.PowerGrid.from_arrays(
        strange.lines, strange.power, coupling=strange.coupling, damping=0.01
    )
    with pytest.warns(BeyondTrainingWarning, match=r"damping 0\.01 \(trained on 0\.1\) at every"):
        model.predict(strange)
    with pytest.warns(BeyondTrainingWarning, match=r"damping 0\.01"):
        Ensemble.load(trained, trained).predict(strange)


def test_the_program_says_it_node_by_node(trained: Path, tmp_path: Path) -> None:
    table = tmp_path / "nodes.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of its own: all is in the output
        ran = CliRunner().invoke(
            app, ["predict", str(trained), "--case", "case118", "--json", "--out", str(table)]
        )
    assert ran.exit_code == 0, ran.output
    said = json.loads(ran.stdout)
    assert said["beyond"]["quantities"]["number of nodes"] == {
        "nodes": 118,
        "trained_on": [20.0, 20.0],
    }
    assert said["beyond"]["nodes"] <= 118
    header, *rows = table.read_text().splitlines()
    assert "beyond" in header.split(",")
    assert len(rows) == 118
    assert all("number of nodes 118 (trained on 20)" in row for row in rows)


def test_models_of_versions_without_ranges_still_predict(trained: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(trained, tmp_path / "old"))
    (old / "range.json").unlink()
    Manifest.of(old).write()
    model = TrainedModel.load(old)
    assert model.known_range is None
    assert model.predict_with_range(gridstab.random_grid(20, seed=1))[1] is None


def test_a_damaged_range_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "copy"))
    text = (folder / "range.json").read_text()
    (folder / "range.json").write_text(text.replace("0.1", "0.2", 1))
    with pytest.raises(RunFolderError, match=r"range\.json.*has changed"):
        TrainedModel.load(folder)
