import gzip
import json
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from plotly import graph_objects
from plotly.offline import get_plotlyjs
from typer.testing import CliRunner

from gnncore.storage import StorageError
from gridstab.cli import app
from gridstab.counted import counted
from gridstab.datasets import Campaign, RunFolder, run_campaign
from gridstab.dynamics.engines import ENGINES
from gridstab.errors import InvalidParameterError, RunFolderError
from gridstab.grids import PowerGrid
from gridstab.report.content import Report, ReportedGrid
from gridstab.report.figure_parts import BIG
from gridstab.report.figures import (
    MOST_BARS,
    MOST_POINTS,
    histogram_figure,
    learning_figures,
    prediction_figure,
)
from gridstab.report.html import render_html, save_report
from gridstab.report.map_figures import grid_figures
from gridstab.report.runs import report_of_run
from gridstab.report.sections import WEAKEST, sections_of
from gridstab.report.still import INK, still_png
from tests.gridstab.disc_engine import DiscEngine, ring_grid
from tests.gridstab.report.html_page import HOSTILE, Page


def reported(nodes=6, grid_id=1, *, predicted=True, name="ring"):
    """A ring whose values are known: 0.5 at node 0 and evenly up to 1."""
    value = np.linspace(0.5, 1.0, nodes)
    angle = 2 * np.pi * np.arange(nodes) / nodes
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return ReportedGrid(
        grid_id=grid_id,
        grid=replace(ring_grid(nodes), name=name, coordinates=circle),
        value=value,
        interval=np.stack([value - 0.02, np.minimum(value + 0.01, 1)], axis=1),
        prediction=value[::-1] * 0.9 if predicted else None,
        troublemaker=np.arange(nodes) < 2,
    )


HISTORY = [
    {"epoch": 1, "loss": 0.5, "validation_loss": 0.6, "validation_r2": 0.1},
    {"epoch": 2, "loss": 0.01, "validation_loss": 0.02, "validation_r2": 0.8},
]


@pytest.fixture(scope="module")
def report():
    return Report(
        title="A model",
        grids=[reported(), reported(8, 2)],
        facts=[("R²", "0.8")],
        metrics={"r2": 0.81234, "share_within": 0.9},
        history=HISTORY,
        best_epoch=2,
        configuration={"campaign": {"nodes": 6}, "widths": [3, 4]},
    )


@pytest.fixture(scope="module")
def text(report):
    return render_html(report)


def test_the_page_asks_for_nothing_outside(text):
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    targets = [
        attributes[name]
        for _, attributes in Page(text).elements
        for name in ("src", "href", "srcset", "action", "data", "poster")
        if name in attributes
    ]
    assert targets
    assert all(target.startswith(("#", "data:image/png;base64,")) for target in targets)


def test_plotly_is_inside_once_and_whole(text):
    packed = Page(text).scripts[1]
    assert gzip.decompress(b64decode(packed)).decode() == get_plotlyjs()
    assert text.count(packed[:1000]) == 1
    assert len(text) < 4_000_000


def test_only_the_scripts_of_the_page_may_run(text):
    page = Page(text)
    (policy,) = [
        attributes["content"]
        for _, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    for script in (page.scripts[2], get_plotlyjs()):
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_values_that_are_no_shares_have_their_own_scale():
    ring = reported()
    deviation = ReportedGrid(1, ring.grid, 40 * ring.value)
    report = Report("wild", [deviation], quantity="deviation", higher_is_better=False)
    marker = grid_figures(report)["simulated"]["data"][2]["marker"]
    assert (marker["cmin"], marker["cmax"]) == (20, 40)
    assert sum(histogram_figure(report)["data"][0]["y"]) == pytest.approx(1, abs=1e-4)
    assert table_of(report, "weakest").rows[0][0].text == "5"
    assert marker["colorscale"][-1][1] == marker_of_shares()["colorscale"][0][1]  # weak is dark


def marker_of_shares():
    return grid_figures(Report("ring", [reported()]))["simulated"]["data"][2]["marker"]


def test_classes_have_no_scatter_plot():
    ring = reported()
    classes = ReportedGrid(1, ring.grid, np.array([0.0, 1, 0, 0, 1, 0]), prediction=ring.prediction)
    report = Report("classes", [classes], metrics={"f2": 0.5})
    names = [section.name for section in sections_of(report)]
    assert names == ["grid", "metrics", "distribution", "weakest"]


def test_constant_and_unknown_columns_draw_nothing():
    rows = [{"epoch": k, "learning_rate": 0.1, "loss": k, "r2": None} for k in (1.0, 2.0)]
    report = Report("constant", [reported()], history=rows)
    assert list(learning_figures(report)) == ["loss"]


def test_texts_of_files_are_shown_and_not_obeyed():
    report = Report(
        title=HOSTILE,
        subtitle=HOSTILE,
        quantity=HOSTILE,
        grids=[reported(name=HOSTILE)],
        facts=[(HOSTILE, HOSTILE), ("\u2028", "\u2028\u2029")],
        metrics={HOSTILE: 0.5},
        history=[{"epoch": 1, HOSTILE: 0.5, f"validation_{HOSTILE}": 1.0}],
        configuration={HOSTILE: {HOSTILE: [HOSTILE]}},
        version=HOSTILE,
    )
    page = Page(render_html(report))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("script") == 3
    assert "b" not in tags
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert all(a["src"].startswith("data:") for tag, a in page.elements if tag == "img")
    assert page.texts.count(HOSTILE) > 5
    # plotly.js reads a little HTML of its own in the texts of figures.
    figures = page.scripts[0]
    assert "<" not in figures
    assert "<script" not in json.dumps(json.loads(figures))
    assert "<img" not in json.dumps(json.loads(figures))


def inked(value):
    if isinstance(value, dict):
        return {key: inked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [inked(part) for part in value]
    return INK.get(value, value) if isinstance(value, str) else value


def test_plotly_accepts_every_figure_and_the_style_sheet_has_its_colours(text):
    figures = json.loads(Page(text).scripts[0])
    assert set(figures) == {
        "simulated", "predicted", "error", "prediction", "histogram", "learning-0", "learning-1",
    }  # fmt: skip
    for figure in figures.values():
        graph_objects.Figure(inked(figure))
        assert "--" not in json.dumps(inked(figure))
        assert still_png(figure).startswith(b"\x89PNG")
    for colour in INK:
        assert text.count(f"{colour}: ") == 2  # light and dark


def test_the_drawing_is_the_grid():
    ring = reported(8)
    figures = grid_figures(Report("ring", [ring]))
    assert list(figures) == ["simulated", "predicted", "error"]
    lines, rings, nodes = figures["simulated"]["data"]
    number = [int(row[0]) for row in nodes["customdata"]]
    assert sorted(number) == list(range(8))
    position = dict(zip(number, zip(nodes["x"], nodes["y"], strict=True), strict=True))
    ends = list(zip(lines["x"], lines["y"], strict=True))
    assert len(ends) == 3 * 8
    drawn = {(ends[k], ends[k + 1]) for k in range(0, 24, 3)}
    assert drawn == {(position[a], position[b]) for a, b in ring.grid.lines.tolist()}
    assert {ends[k] for k in range(2, 24, 3)} == {(None, None)}

    for figure, shown in (
        ("simulated", ring.value),
        ("predicted", ring.prediction),
        ("error", ring.prediction - ring.value),
    ):
        marker = figures[figure]["data"][2]["marker"]
        np.testing.assert_allclose(marker["color"], shown[number], atol=1e-4)
        powers = [ring.grid.power[n] for n in number]
        assert marker["symbol"] == ["circle" if power > 0 else "square" for power in powers]
    assert number[-1] == int(ring.value.argmin())
    assert set(zip(rings["x"], rings["y"], strict=True)) == {position[0], position[1]}
    row = nodes["customdata"][number.index(3)]
    assert row[0] == "3"
    expected = [ring.grid.power[3], 2, ring.value[3], *ring.interval[3], ring.prediction[3]]
    np.testing.assert_allclose(row[1:], expected, atol=1e-4)


def test_simulated_and_predicted_share_a_scale_and_errors_are_centred():
    figures = grid_figures(Report("ring", [reported()]))
    scales = {name: figure["data"][2]["marker"] for name, figure in figures.items()}
    ends = {name: (marker["cmin"], marker["cmax"]) for name, marker in scales.items()}
    assert ends["simulated"] == ends["predicted"] == (0.5, 1.0)
    assert ends["error"][0] == -ends["error"][1]


def test_a_majority_of_troublemakers_is_not_marked():
    ring = reported()
    many = ReportedGrid(1, ring.grid, ring.value, troublemaker=np.arange(6) < 4)
    assert grid_figures(Report("many", [many]))["simulated"]["data"][1]["x"] == []
    unknown = ReportedGrid(1, ring.grid, ring.value)
    assert grid_figures(Report("unknown", [unknown]))["simulated"]["data"][1]["x"] == []


def test_webgl_draws_big_grids():
    kinds = [
        {
            trace["type"]
            for trace in grid_figures(Report("ring", [reported(nodes)]))["error"]["data"]
        }
        for nodes in (BIG, BIG + 2)
    ]
    assert kinds == [{"scatter"}, {"scattergl"}]


def test_error_bars_are_the_intervals(report):
    diagonal, points = prediction_figure(report)["data"]
    assert diagonal["x"] == diagonal["y"]
    value, low_high = (
        np.concatenate([getattr(grid, name) for grid in report.grids])
        for name in ("value", "interval")
    )
    np.testing.assert_allclose(points["x"], value, atol=1e-4)
    bars = points["error_x"]
    np.testing.assert_allclose(
        points["x"] - np.array(bars["arrayminus"]), low_high[:, 0], atol=2e-4
    )
    np.testing.assert_allclose(points["x"] + np.array(bars["array"]), low_high[:, 1], atol=2e-4)
    assert [row[:2] for row in points["customdata"]] == [
        [grid.grid_id, str(node)] for grid in report.grids for node in range(grid.grid.num_nodes)
    ]


@pytest.mark.parametrize(("nodes", "drawn", "bars"), [
    (MOST_BARS, MOST_BARS, True),
    (MOST_BARS + 2, MOST_BARS + 2, False),
    (2 * MOST_POINTS, MOST_POINTS, False),
])  # fmt: skip
def test_many_points_are_thinned(nodes, drawn, bars):
    points = prediction_figure(Report("many", [reported(nodes)]))["data"][1]
    assert len(points["x"]) == drawn
    assert ("error_x" in points) is bars


def test_the_histogram_counts_every_node(report):
    bars, line = histogram_figure(report)["data"]
    assert sum(bars["y"]) == pytest.approx(1, abs=1e-4)
    assert sum(line["y"][:-1]) == pytest.approx(1, abs=1e-4)
    assert line["y"][-1] == line["y"][-2]  # the outline ends where its last bin does
    half = int(np.flatnonzero(np.array(line["x"]) <= 0.5)[-1])
    assert bars["y"][half] == pytest.approx(2 / 14, abs=1e-5)  # node 0 of both grids
    assert bars["y"][-1] == pytest.approx(2 / 14, abs=1e-5)  # SNBS of exactly 1 is in the last bin


def test_learning_curves_are_by_metric_and_split(report):
    figures = learning_figures(report)
    assert list(figures) == ["loss", "R²"]
    assert [trace["name"] for trace in figures["loss"]["data"]] == ["training", "validation"]
    assert figures["loss"]["data"][1]["y"] == [0.6, 0.02]
    assert figures["loss"]["layout"]["yaxis"]["type"] == "log"
    assert "type" not in figures["R²"]["layout"]["yaxis"]
    assert figures["R²"]["layout"]["shapes"][0]["x0"] == 2


def table_of(report, name):
    (section,) = [section for section in sections_of(report) if section.name == name]
    return section.tables[0]


def test_the_weakest_nodes_come_first(report):
    table = table_of(report, "weakest")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    found = [(row["SNBS"].number, row["grid"].number, row["node"].number) for row in rows]
    assert found == sorted(
        (value, grid.grid_id, node)
        for grid in report.grids
        for node, value in enumerate(grid.value.tolist())
    )
    assert rows[0]["predicted"].text == "0.900"
    assert rows[0]["error"].text == "+0.400"
    assert rows[0]["95 % interval"].text == "0.480 to 0.510"
    assert [row["troublemaker"].text for row in rows[:2]] == ["yes", "yes"]


def test_only_so_many_weakest_nodes_are_listed():
    table = table_of(Report("many", [reported(2 * WEAKEST, predicted=False)]), "weakest")
    assert [row[0].number for row in table.rows] == list(range(WEAKEST))
    assert "predicted" not in table.columns
    assert table.caption.startswith(f"The {WEAKEST} weakest of {2 * WEAKEST} nodes")


def test_survivability_is_listed_where_it_is_known():
    ring = reported()
    known = replace(ring, survivability=np.linspace(0.1, 0.6, 6))
    table = table_of(Report("ring", [known]), "weakest")
    cells = {row[0].text: row[table.columns.index("survivability")] for row in table.rows}
    assert {name: cell.text for name, cell in cells.items()} == {
        str(node): f"{0.1 * (node + 1):.3f}" for node in range(6)
    }
    assert "survivability" not in table_of(Report("ring", [ring]), "weakest").columns
    text = grid_figures(Report("ring", [known]))["simulated"]["data"][2]
    column = text["hovertemplate"].split("survivability %{customdata[")[1][0]
    assert {row[0]: row[int(column)] for row in text["customdata"]}["5"] == 0.6


@pytest.mark.parametrize(("count", "text"), [(1, "1 grid"), (0, "0 grids"), (2577, "2,577 grids")])
def test_things_are_counted_in_words(count, text):
    assert counted(count, "grid") == text


def test_what_is_unknown_is_said():
    ring = reported()
    report = Report("bare", [ReportedGrid(1, ring.grid, ring.value)])
    row = dict(zip((t := table_of(report, "weakest")).columns, t.rows[0], strict=True))
    assert [row[name].text for name in ("95 % interval", "troublemaker")] == ["unknown"] * 2
    assert [section.name for section in sections_of(report)] == ["grid", "distribution", "weakest"]


def test_metrics_and_configuration_are_tabulated(report):
    def texts(name):
        return [[cell.text for cell in row] for row in table_of(report, name).rows]

    assert texts("metrics") == [["R²", "0.8123"], ["share within", "0.9000"]]
    assert texts("configuration") == [["campaign.nodes", "6"], ["widths", "3, 4"]]


def test_the_page_can_be_read_without_pictures(text):
    page = Page(text)
    assert ("html", {"lang": "en"}) in page.elements
    viewports = [a["content"] for _, a in page.elements if a.get("name") == "viewport"]
    assert viewports == ["width=device-width, initial-scale=1"]
    pictures = [a for _, a in page.elements if a.get("role") == "img"]
    assert len(pictures) == 7
    assert all(len(picture["aria-label"]) > 20 for picture in pictures)
    stills = [a for tag, a in page.elements if tag == "img"]
    assert [still["alt"] for still in stills] == [p["aria-label"] for p in pictures]
    tables = [tag for tag, _ in page.elements if tag in ("table", "caption")]
    assert tables == ["table", "caption"] * 3
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_equal_reports_give_equal_pages(report, text):
    assert render_html(report) == text


def test_the_page_is_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StorageError):
        save_report(report, target)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert target.read_text() == "old"


def test_reports_of_nothing_and_of_half_are_refused():
    with pytest.raises(InvalidParameterError, match="at least one grid"):
        Report("nothing", [])
    with pytest.raises(InvalidParameterError, match="grid 2 of the report has no prediction"):
        Report("half", [reported(), reported(6, 2, predicted=False)])


@pytest.fixture
def run(monkeypatch, tmp_path):
    """A run of three grids of known basins."""
    monkeypatch.setitem(ENGINES, "disc", lambda: DiscEngine(0.9, 0.92))
    monkeypatch.chdir(tmp_path)
    campaign = Campaign.resolve(nodes=6, grids=3, samples=20, seed=5, engine="disc")
    return run_campaign(campaign, "run", workers=1).folder


def gridstab_cli(*arguments, code=0):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result


def test_a_run_is_reported(run):
    report = report_of_run(run, 2)
    assert [grid.grid_id for grid in report.grids] == [2, 1, 3]
    assert report.drawn.value.tolist() == run.result(2).snbs.tolist()
    assert report.drawn.interval.tolist() == run.result(2).interval.tolist()
    assert report.drawn.troublemaker.tolist() == run.result(2).troublemaker.tolist()
    facts = dict(report.facts)
    mean = np.concatenate([run.result(k).snbs for k in (1, 2, 3)]).mean()
    assert facts["mean SNBS"] == f"{mean:.3f}"
    assert (facts["grids"], facts["nodes"]) == ("3", "18")
    assert report.configuration["samples"] == 20


def test_the_command_writes_into_the_run_and_keeps_it_verified(run):
    said = gridstab_cli("report", "run").output
    assert said.startswith("wrote run/report.html (")
    assert (run.path / "report.html").read_text().startswith("<!doctype html>")
    gridstab_cli("verify", "run")
    gridstab_cli("report", "run", "--grid", "3", "--out", "third.html")
    assert "Grid 3" in Page(Path("third.html").read_text()).texts


def test_an_imported_run_is_reported(run):
    gridstab_cli("export", "run", "--layout", "v1", "--out", "published")
    gridstab_cli("import", "published", "--samples", "20", "--out", "again")
    report = report_of_run(RunFolder.open("again"))
    assert report.drawn.value.tolist() == run.result(1).snbs.tolist()
    np.testing.assert_allclose(report.drawn.interval, run.result(1).interval)
    assert report.drawn.troublemaker is None
    said = report.configuration["imported"]
    assert said == {"layout": "v1", "samples": 20, "samples_assumed": False, "grids": 3}


def test_what_is_not_there_is_said(run):
    assert "no grid 9, only 1 to 3" in gridstab_cli("report", "run", "--grid", "9", code=2).stderr
    assert "is no folder" in gridstab_cli("report", "nowhere", code=2).stderr
    empty = RunFolder.create("empty", run.config)
    with pytest.raises(RunFolderError, match="no finished grid yet"):
        report_of_run(empty)


@pytest.mark.parametrize("package", ["plotly", "jinja2"])
def test_a_missing_package_is_one_line(run, monkeypatch, package):
    for module in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    said = gridstab_cli("report", "run", code=2).stderr
    assert said.splitlines() == [
        f"gridstab: the report needs the package {package}: "
        "pip install 'jinja2>=3.1' 'plotly>=6'"
    ]  # fmt: skip
    assert not (run.path / "report.html").exists()


def test_a_grid_of_one_node_has_a_page():
    alone = ReportedGrid(1, PowerGrid.from_arrays([], [0.0]), np.ones(1))
    assert "The grid" in Page(render_html(Report("alone", [alone]))).texts
