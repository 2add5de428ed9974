"""The page as a reader meets it, in a real browser without network.

Needs Chromium or a relative of it: the variable ``GRIDSTAB_BROWSER`` names its program, or else it
is looked for on PATH.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridstab.report.content import Report, ReportedGrid
from gridstab.report.figure_parts import BIG
from gridstab.report.html import save_report
from tests.gridstab.disc_engine import ring_grid

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge")
BROWSER = os.environ.get("GRIDSTAB_BROWSER") or next(filter(None, map(shutil.which, PROGRAMS)), "")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

pytestmark = pytest.mark.skipif(
    not BROWSER, reason=f"no browser: set GRIDSTAB_BROWSER or install one of {', '.join(PROGRAMS)}"
)


def reported(nodes: int, grid_id: int) -> ReportedGrid:
    angle = 2 * np.pi * np.arange(nodes) / nodes
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    value = np.random.default_rng(grid_id).uniform(0.5, 1, nodes).round(3)
    return ReportedGrid(
        grid_id,
        replace(ring_grid(nodes), coordinates=circle),
        value,
        np.stack([value - 0.02, np.minimum(value + 0.02, 1)], axis=1),
        0.9 * value,
        value < 0.55,
    )


def page_of(folder: Path, nodes: int) -> Path:
    name = "a rather long name of a grid without any space in it".replace(" ", "-")
    save_report(
        Report(
            title=name,
            grids=[reported(nodes, 1), reported(8, 2)],
            facts=[("R²", "0.8"), ("test grids", "1,500")],
            metrics={"r2": 0.8},
            history=[
                {"epoch": epoch, "loss": 1 / epoch, "validation_loss": 2 / epoch}
                for epoch in range(1, 9)
            ],
            best_epoch=8,
            configuration={"campaign": {"nodes": nodes, "case": name + name}},
        ),
        folder / "report.html",
    )
    return folder / "report.html"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_of(tmp_path_factory.mktemp("small"), 20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=BROWSER,
            # Containers forbid the sandbox's namespaces; WebGL is computed where no GPU is.
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        yield browser
        browser.close()


class Reader:
    """Opens pages and notes whatever goes wrong."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def open(self, path: Path, *, scripted: bool = True, **options: Any) -> Any:
        context = self.browser.new_context(java_script_enabled=scripted, **options)
        page = context.new_page()
        page.on("console", lambda message: self.note(message.type, message.text))
        page.on("pageerror", lambda error: self.note("error", str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        if scripted:
            page.wait_for_selector("html[data-ready]", timeout=60_000)
        return page

    def note(self, kind: str, text: str) -> None:
        # What software rendering is slow at is said by the driver, not by the page.
        if kind in ("error", "warning") and "GL Driver Message" not in text:
            self.complaints.append(text)


@pytest.fixture
def reader(browser: Any) -> Iterator[Reader]:
    reader = Reader(browser)
    yield reader
    for context in browser.contexts:
        context.close()


def drawn(page: Any) -> dict[str, int]:
    """Number of traces that plotly.js has drawn in each figure that is shown."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".plot")]
        .filter((plot) => !plot.closest("figure").hidden)
        .map((plot) => [plot.id.replace("plot-", ""),
        plot.querySelector(".main-svg") ? plot.data.length : 0]))"""
    )


def overflow(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_every_figure_is_drawn_without_error_or_request(small: Path, reader: Reader) -> None:
    page = reader.open(small, viewport=DESKTOP)
    figures = {"simulated": 3, "predicted": 3, "prediction": 2, "histogram": 2, "learning-0": 2}
    assert drawn(page) == figures
    assert page.locator("#plot-simulated .scatterlayer .point").count() >= 20
    assert page.locator(".plot img").count() == 1  # the still of the hidden view
    buttons = page.locator("#plot-simulated .modebar-btn").evaluate_all(
        "buttons => buttons.map((button) => button.dataset.title)"
    )
    assert buttons == ["Download plot", "Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"]
    assert overflow(page) == 0
    assert reader.complaints == []
    assert [url for url in reader.requests if not url.startswith(("data:", "blob:"))] == [
        small.as_uri()
    ]


def test_the_page_fits_a_phone(small: Path, reader: Reader) -> None:
    page = reader.open(small, viewport=PHONE, has_touch=True, is_mobile=True)
    assert page.evaluate("innerWidth") == PHONE["width"]
    assert overflow(page) == 0
    assert all(
        box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
        for plot in page.locator(".plot:visible").all()
        for box in [plot.bounding_box()]
    )
    assert page.evaluate("document.querySelector('#plot-simulated').layout.dragmode") is False
    assert reader.complaints == []


def test_views_are_switched(small: Path, reader: Reader) -> None:
    page = reader.open(small, viewport=DESKTOP)
    button = page.get_by_role("button", name="Error", exact=True)
    button.click()
    page.wait_for_function("document.querySelector('#plot-error').data !== undefined")
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("[data-view=error]").is_visible()
    assert not page.locator("[data-view=simulated]").is_visible()
    assert page.get_by_role("button", name="Side by side").get_attribute("aria-pressed") == "false"
    assert reader.complaints == []


def test_a_node_tells_its_numbers_in_both_maps(small: Path, reader: Reader) -> None:
    page = reader.open(small, viewport=DESKTOP)
    node = reported(20, 1)
    number = int(node.value.argmin())  # drawn last, so its marker is the last of the nodes
    page.locator("#plot-simulated .trace.scatter").nth(1).locator(".point").last.hover(force=True)
    for plot in ("simulated", "predicted"):
        label = page.locator(f"#plot-{plot} .hovertext")
        label.wait_for()
        text = label.text_content()
        assert f"node {number}" in text
        assert f"simulated {node.value[number]:.3f}" in text
        assert f"{node.interval[number, 0]:.3f} to {node.interval[number, 1]:.3f}" in text
        assert f"predicted {node.prediction[number]:.3f}" in text
    assert reader.complaints == []


def test_maps_move_together(small: Path, reader: Reader) -> None:
    page = reader.open(small, viewport=DESKTOP)
    page.evaluate(
        "Plotly.relayout('plot-simulated', {'xaxis.range': [0, 0.5], 'yaxis.range': [0, 0.5]})"
    )
    page.wait_for_function(
        "Math.abs(document.querySelector('#plot-predicted').layout.yaxis.range[1] - 0.5) < 0.3"
    )
    ranges = [
        page.evaluate(f"document.querySelector('#plot-{name}').layout.xaxis.range")
        for name in ("simulated", "predicted")
    ]
    # Not exactly, since each keeps its aspect in a box that its colour bar's title has shaped.
    assert ranges[0] == pytest.approx(ranges[1], abs=0.03)
    assert ranges[0][1] < 0.7


def test_the_table_sorts(small: Path, reader: Reader) -> None:
    page = reader.open(small, viewport=DESKTOP)
    table = page.locator("table[data-sortable]")
    head = table.locator("th", has=page.get_by_role("button", name="node", exact=True))

    def nodes() -> list[int]:
        return [int(t) for t in table.locator("td:nth-child(2)").all_text_contents()]

    before = nodes()
    for direction in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == direction
        assert nodes() == sorted(before, reverse=direction == "descending")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_scheme(small: Path, reader: Reader, scheme: str) -> None:
    page = reader.open(small, viewport=DESKTOP, color_scheme=scheme)
    lightness = [
        sum(
            page.evaluate(
                f"""getComputedStyle(document.querySelector("{selector}")).{colour}
                .match(/\\d+/g).slice(0, 3).map(Number)"""
            )
        )
        / 3
        for selector, colour in (("section", "backgroundColor"), ("#plot-histogram text", "fill"))
    ]
    assert (lightness[0] > 200) == (lightness[1] < 80) == (scheme == "light")
    assert abs(lightness[0] - lightness[1]) > 150


def test_without_scripts_there_are_stills_and_tables(small: Path, reader: Reader) -> None:
    page = reader.open(small, scripted=False, viewport=PHONE)
    stills = page.locator(".plot img")
    assert stills.count() == 6
    assert all(still.is_visible() for still in stills.all())
    assert page.locator("table[data-sortable] tbody tr").count() == 28
    assert not page.get_by_role("button").first.is_visible()
    assert reader.complaints == []


def test_webgl_draws_big_grids(reader: Reader, tmp_path: Path) -> None:
    page = reader.open(page_of(tmp_path, BIG + 2), viewport=DESKTOP)
    assert page.locator("#plot-simulated canvas.gl-canvas").count() > 0
    assert "not supported" not in page.locator("#plot-simulated").inner_text()
    assert reader.complaints == []
