"""Names that come with files are text in the page that is made of them."""

import json

from gridstab.datasets import Campaign, run_campaign
from gridstab.grids import PowerGrid, save_grid
from gridstab.report.html import render_html
from gridstab.report.runs import report_of_run
from tests.gridstab.report.html_page import HOSTILE, Page


def test_names_of_grids_nodes_and_files_are_text_in_a_built_page(tmp_path, monkeypatch):
    """From the file of a grid to the page, as a user comes to it."""
    monkeypatch.chdir(tmp_path)
    image = "<img src=x onerror=alert(1)>"
    labels = [f"{HOSTILE}{node}" for node in range(4)]
    labels[0] = image
    grid = PowerGrid.from_arrays(
        [(0, 1), (1, 2), (2, 3), (0, 3)], [1, -1, 1, -1], name=HOSTILE, labels=labels
    )
    save_grid(grid, f"{image}.json")
    campaign = Campaign.resolve(case=f"{image}.json", samples=5)
    run = run_campaign(campaign, f"{image}'\"&", workers=1).folder
    assert run.result(1).grid.labels == tuple(labels)
    page = Page(render_html(report_of_run(run)))
    assert [tag for tag, _ in page.elements].count("script") == 3
    assert all(a["src"].startswith("data:") for tag, a in page.elements if tag == "img")
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    shown = "\n".join(page.texts)
    assert image in shown
    assert HOSTILE in shown
    figures = json.dumps(json.loads(page.scripts[0]))
    assert "<img" not in figures
    assert "<script" not in figures
    assert "&lt;img src=x" in figures
