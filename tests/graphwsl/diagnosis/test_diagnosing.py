"""Diagnoses of single networks, in Python and by ``graphwsl diagnose``."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from graphwsl.cli import app
from graphwsl.diagnosis import Axes, failure_labels, published_table
from graphwsl.diagnosis.diagnoser import NOTHING, Diagnoser, Diagnosis, diagnose
from graphwsl.diagnosis.questions import QUESTIONS
from graphwsl.errors import DiagnosisError, GraphwslError

NOISY = published_table("noisy")


@pytest.fixture(scope="module")
def learnt() -> Diagnoser:
    return Diagnoser().fit()


@pytest.fixture(scope="module")
def noisy(learnt: Diagnoser) -> list[Diagnosis]:
    return learnt.diagnose(NOISY)


def right(found: list[Diagnosis]) -> np.ndarray:
    best = np.maximum(NOISY["rfi_inc_temp"], NOISY["rfi_dec_temp"])
    labels = NOISY["bs_failure"]
    truth = np.where((best <= 1) | (labels == "optimal"), NOTHING, labels)
    return np.array([one.answers["temperature"].answer for one in found]) == truth


def test_answers_are_as_sure_as_they_are_right(noisy: list[Diagnosis]) -> None:
    sure = np.array([one.answers["temperature"].probability for one in noisy])
    is_right = right(noisy)
    assert abs(sure.mean() - is_right.mean()) < 0.06
    assert is_right[sure > 0.8].mean() > is_right[sure < 0.6].mean() + 0.2
    for one in noisy[::100]:
        for name, answer in one.answers.items():
            assert set(answer.probabilities) == {NOTHING, *QUESTIONS[name].answers}
            assert sum(answer.probabilities.values()) == pytest.approx(1)
            assert answer.probability == max(answer.probabilities.values())


def test_those_with_nothing_wrong_are_told_apart(noisy: list[Diagnosis]) -> None:
    best = np.maximum(NOISY["rfi_inc_temp"], NOISY["rfi_dec_temp"])
    share = np.array([one.answers["temperature"].probabilities[NOTHING] for one in noisy])
    fine, wrong = share[best <= 1], share[best > 1]
    ranked = (fine[:, None] > wrong).mean() + (fine[:, None] == wrong).mean() / 2
    assert ranked > 0.8  # the area under the ROC curve
    rooms = np.array([one.rooms["width"] for one in noisy])
    assert np.corrcoef(rooms, NOISY["rfi_width"])[0, 1] > 0.75


def test_with_fewer_metrics_answers_are_worse_and_less_sure(
    learnt: Diagnoser, noisy: list[Diagnosis]
) -> None:
    few = learnt.diagnose({"train_error": NOISY["train_error"]})
    assert few[0].missing == ("mode_connectivity_peak", "hessian_t", "CKA")
    assert 0.55 < right(few).mean() < right(noisy).mean() - 0.1
    sure = [np.mean([one.answers["temperature"].probability for one in f]) for f in (few, noisy)]
    assert sure[0] < sure[1] - 0.05


def test_networks_beyond_the_population_are_named(learnt: Diagnoser) -> None:
    table = {"train_error": [5.0, 5.0], "hessian_t": [6.0, 40.0], "model": ["a", "b"]}
    inside, outside = learnt.diagnose(table)
    assert (inside.network, inside.beyond) == ("a", ())
    assert (outside.network, outside.beyond) == ("b", ("hessian_t",))


@pytest.mark.filterwarnings("error")
def test_the_farthest_networks_are_diagnosed(learnt: Diagnoser) -> None:
    for value in (1e308, -1e308):
        (found,) = learnt.diagnose({"train_error": [12.0], "hessian_t": [value]})
        assert found.beyond == ("hessian_t",)
        assert np.isfinite([answer.probability for answer in found.answers.values()]).all()


def own_population() -> tuple[dict[str, np.ndarray], Axes]:
    """A part of the published table, as a user's own: other names, rates for batches, no labels."""
    clean = published_table("clean")
    kept = clean["data"] == 10
    names = ("train_error", "mode_connectivity_peak", "hessian_t", "test_acc", "width")
    table = {name: clean[name][kept] for name in names}
    return table | {"rate": 1 / clean["bs"][kept]}, Axes("rate", "large", data=None)


def test_a_population_of_ones_own_is_labelled_and_learnt_from() -> None:
    table, axes = own_population()
    found = Diagnoser().fit(table, axes).diagnose(table)
    labels = failure_labels(table, axes)["bs_failure"]
    answers = np.array([one.answers["temperature"].answer for one in found])
    is_known = (labels != "optimal") & (answers != NOTHING)
    assert (answers == labels)[is_known].mean() > 0.85
    assert list(found[0].answers) == ["temperature", "width"]
    assert found[0].missing == ()  # the population has no CKA either
    with pytest.raises(DiagnosisError, match="'data' needs a population whose networks differ in"):
        Diagnoser(["data"]).fit(table, axes)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"hessian_t": [5.0]}, "unknown column 'train_error'; the table has hessian_t"),
        ({"train_error": [5.0, 120.0]}, "from 0 to 100, row 2 has 120"),
        ({"train_error": [5.0], "mode_connectivity_peak": [12.0]}, "from -100 to 0, row 1 has 12"),
        ({"train_error": [5.0], "CKA": [1.2]}, "CKA must be from -1 to 1"),
        ({"train_error": []}, "must have rows, got none"),
    ],
)
def test_metrics_that_cannot_be_are_refused(
    learnt: Diagnoser, table: dict[str, list[float]], message: str
) -> None:
    with pytest.raises(DiagnosisError, match=message):
        learnt.diagnose(table)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(GraphwslError, match="tolerance must be positive and finite, got 0"):
        diagnose({"train_error": [1.0]}, tolerance=0)
    with pytest.raises(DiagnosisError, match="did you mean 'width'"):
        diagnose({"train_error": [1.0]}, questions=["widht"])
    table, axes = own_population()
    rising = table | {"test_acc": table["rate"] + table["width"]}
    with pytest.raises(DiagnosisError, match="whose answers are all 'small'"):
        diagnose({"train_error": [1.0]}, rising, axes=axes)
    with pytest.raises(DiagnosisError, match="a tolerance of 100 is more than any change brings"):
        diagnose({"train_error": [1.0]}, table, axes=axes, tolerance=100)


def graphwsl(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["diagnose", *map(str, arguments)], env={"COLUMNS": "100"})


METRICS = "network,train_error,mode_connectivity_peak,hessian_t\nhot,26.7,-27.5,5.3\n"


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.csv"
    path.write_text(METRICS + "far,21.0,-33.9,44\n")
    return path


def test_the_command_prints_writes_and_draws(metrics: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "found.json", tmp_path / "regions.svg"
    result = graphwsl(metrics, "--out", out, "--picture", picture)
    assert result.exit_code == 0, result.output
    assert "temperature large: too hot" in result.output
    assert "1 of 2 networks are beyond what was learnt from, by hessian_t" in result.output
    assert "not measured, made up for by networks that look alike: CKA" in result.output
    written = json.loads(out.read_text())["networks"]
    assert [one["network"] for one in written] == ["hot", "far"]
    expected = [one.to_dict() for one in diagnose(metrics)]
    assert [{k: v for k, v in one.items() if k != "table"} for one in written] == expected
    assert picture.read_text().startswith("<?xml")


def test_the_command_gives_one_json_object(metrics: Path) -> None:
    result = graphwsl(metrics, "--question", "temperature", "--json")
    assert result.exit_code == 0, result.output
    assert list(json.loads(result.stdout)["networks"][0]["answers"]) == ["temperature"]


def test_what_the_command_refuses_ends_in_one_line(metrics: Path, tmp_path: Path) -> None:
    corrupt, own, out = tmp_path / "corrupt.csv", tmp_path / "own.csv", tmp_path / "out.json"
    corrupt.write_text(METRICS + "1,2\n")
    own.write_text("bs,test_acc,train_error\n16,50,3\n32,60,4\n")
    attempts: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path / "none.csv",), "No such file"),
        ((tmp_path,), "is a folder; of a zoo, measure the landscape first"),
        ((corrupt,), "row 2 has 2 values, the columns are 4"),
        ((own, "--question", "depth"), "unknown question 'depth'"),
        ((own, "--hot-is", "low"), "hot_is must be 'small' or 'large', got 'low'"),
        ((own, "--tolerance", "-1"), "tolerance must be positive"),
        ((metrics, "--population", own), "unknown column 'width'"),
        ((metrics, "--population", own, "--width", "none", "--data", "none"), "unknown column"),
        ((own, "--picture", tmp_path / "a.png"), "cannot be drawn; leave the picture out"),
    ]
    for arguments, message in attempts:
        result = graphwsl(*arguments, "--out", out)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("graphwsl: ")
        assert result.stderr.count("\n") == 1, result.stderr
        assert message in result.stderr
        assert not out.exists()
