import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba

from gnncore.errors import GnncoreError
from gnncore.figures import save_figure
from gridstab.dynamics.basin_map import BasinMap
from gridstab.dynamics.counts import NodeCounts
from gridstab.dynamics.result import StabilityResult
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid
from gridstab.report.layout import node_positions
from gridstab.report.plots import (
    LEFT,
    RETURNED,
    TROUBLE,
    UNDECIDED,
    plot_basin_map,
    plot_distribution,
    plot_grid,
)
from tests.gridstab.disc_engine import DiscEngine, ring_grid


def result_of(grid, snbs, largest):
    counts = NodeCounts.zeros(grid.num_nodes)
    counts.n_samples[:] = 1000
    counts.n_stable[:] = np.round(1000 * np.asarray(snbs))
    counts.max_frequency_deviation[:] = largest
    return StabilityResult.of(grid, counts)


@pytest.fixture
def result():
    return result_of(ring_grid(6), [0.5, 0.9, 1.0, 0.72, 0.8, 0.6], [16, 9, 9, 17, 9, 9])


@pytest.fixture
def basin():
    status = np.zeros((4, 5), np.int8)
    status[1:3, 1:4] = 1
    status[0, 0] = -1
    return BasinMap(ring_grid(6), 2, np.linspace(-2, 2, 5), np.linspace(-9, 9, 4), status)


def test_nodes_carry_their_snbs_and_lines_join_them(result):
    axes = plot_grid(result).axes[0]
    position = node_positions(result.grid)
    drawn = {}
    for points in axes.collections:
        if isinstance(points, PathCollection):
            for point, snbs in zip(points.get_offsets(), points.get_array(), strict=True):
                node = int(np.abs(position - point).sum(axis=1).argmin())
                drawn[node] = snbs
        else:
            assert isinstance(points, LineCollection)
            np.testing.assert_allclose(points.get_segments(), position[result.grid.lines])
    assert drawn == dict(enumerate(result.snbs))


def test_generators_and_consumers_are_told_apart(result):
    circles, squares = (c for c in plot_grid(result).axes[0].collections[1:])
    assert sorted(circles.get_array()) == [0.6, 0.72, 0.9]
    assert sorted(squares.get_array()) == [0.5, 0.8, 1.0]
    assert len(circles.get_paths()[0].vertices) > len(squares.get_paths()[0].vertices)


def test_a_minority_of_troublemakers_is_ringed(result):
    def ringed(figure):
        return sum(
            int((points.get_edgecolors() == to_rgba(TROUBLE)).all(axis=1).sum())
            for points in figure.axes[0].collections[1:]
        )

    def legend(figure):
        return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]

    assert ringed(plot_grid(result)) == 2
    assert legend(plot_grid(result)) == ["P > 0", "P ≤ 0", "2 troublemakers"]
    all_trouble = result_of(result.grid, result.snbs, 20.0)
    assert ringed(plot_grid(all_trouble)) == 0
    assert legend(plot_grid(all_trouble)) == ["P > 0", "P ≤ 0"]


def test_the_title_has_the_mean_and_the_interval(result):
    axes = plot_grid(result).axes[0]
    half = np.diff(result.interval, axis=1).mean() / 2
    assert axes.get_title(loc="left") == "ring: mean SNBS 0.753"
    assert axes.texts[0].get_text().endswith(f"±{half:.3f} on average")


def test_the_colour_scale_is_the_data_or_the_callers(result):
    assert plot_grid(result).axes[0].collections[1].get_clim() == (0.5, 1.0)
    assert plot_grid(result, limits=(0.0, 1.0)).axes[0].collections[1].get_clim() == (0.0, 1.0)


def test_axes_of_the_caller_are_used(result, basin):
    from matplotlib.figure import Figure

    figure = Figure()
    one, two, three = figure.subplots(1, 3)
    assert plot_grid(result, one) is figure
    assert plot_basin_map(basin, two) is figure
    assert plot_distribution(result, three) is figure
    assert one.collections
    assert two.images
    assert three.patches


def test_the_basin_is_drawn_the_right_way_up(basin):
    (picture,) = plot_basin_map(basin).axes[0].images
    np.testing.assert_array_equal(picture.get_array(), basin.status)
    assert picture.origin == "lower"
    np.testing.assert_allclose(picture.get_extent(), [-2.5, 2.5, -12, 12])
    colours = picture.to_rgba(np.array([[-1, 0, 1]]))[0]
    np.testing.assert_allclose(colours, [to_rgba(c) for c in (UNDECIDED, LEFT, RETURNED)])


def test_undecided_is_in_the_legend_only_where_it_occurs(basin):
    def labels(basin):
        return [text.get_text() for text in plot_basin_map(basin).axes[0].get_legend().get_texts()]

    assert labels(basin) == ["returns", "does not return", "undecided"]
    decided = BasinMap(basin.grid, 2, basin.dtheta, basin.domega, np.abs(basin.status))
    assert labels(decided) == ["returns", "does not return"]


def test_the_distribution_sums_to_one_and_compares(result):
    figure = plot_distribution([result, result_of(ring_grid(8), 0.95, 1.0)])
    for stairs in figure.axes[0].patches:
        assert stairs.get_data().values.sum() == pytest.approx(1)
    assert len(figure.axes[0].patches) == 2
    with pytest.raises(InvalidParameterError, match="at least one"):
        plot_distribution([])


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_pictures_have_equal_bytes(tmp_path, result, basin, suffix):
    for name, draw, of in (
        ("grid", plot_grid, result),
        ("basin", plot_basin_map, basin),
        ("bars", plot_distribution, result),
    ):
        first, second = tmp_path / f"{name}1{suffix}", tmp_path / f"{name}2{suffix}"
        save_figure(draw(of), first, dpi=50)
        save_figure(draw(of), second, dpi=50)
        assert first.read_bytes() == second.read_bytes()
        assert b"Software" not in first.read_bytes()


def test_pictures_are_what_their_suffix_says(tmp_path, result):
    save_figure(plot_grid(result), tmp_path / "grid.png")
    save_figure(plot_grid(result), tmp_path / "grid.svg")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert ElementTree.parse(tmp_path / "grid.svg").getroot().tag.endswith("svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.png", "grid.svg"]


def test_other_suffixes_are_refused(tmp_path, result):
    with pytest.raises(GnncoreError, match=r"end in .png, .svg, .pdf, got .*grid.xyz"):
        save_figure(plot_grid(result), tmp_path / "grid.xyz")


def test_coordinates_of_the_grid_are_kept():
    coordinates = np.random.default_rng(0).random((3, 2))
    grid = PowerGrid.from_arrays([[0, 1], [1, 2]], [1, -2, 1], coordinates=coordinates)
    np.testing.assert_array_equal(node_positions(grid), coordinates)


@pytest.mark.parametrize(
    "lines",
    [
        np.zeros((0, 2), int),
        [[0, 1]],
        [[0, node] for node in range(1, 30)],
        [[node, node + 1] for node in range(29)],
        [[0, 1], [1, 2], [0, 2], [3, 4]],
    ],
    ids=["one", "two", "star", "path", "two pieces"],
)
def test_layouts_part_all_nodes(lines):
    nodes = int(np.max(lines)) + 1 if len(lines) else 1
    position = node_positions(PowerGrid.from_arrays(lines, np.zeros(nodes)))
    assert np.isfinite(position).all()
    gap = np.linalg.norm(position[:, None] - position, axis=2) + 9 * np.eye(nodes)
    assert gap.min() > 0.1


def test_a_layout_shows_the_grids_distances():
    """On a square lattice, straight distances should follow the numbers of lines."""
    import networkx as nx

    lattice = nx.convert_node_labels_to_integers(nx.grid_2d_graph(9, 9))
    grid = PowerGrid.from_arrays(list(lattice.edges), np.zeros(81))
    position = node_positions(grid)
    paths = dict(nx.all_pairs_shortest_path_length(lattice))
    pairs = [(a, b) for a in range(81) for b in range(a)]
    straight = [np.linalg.norm(position[a] - position[b]) for a, b in pairs]
    assert np.corrcoef(straight, [paths[a][b] for a, b in pairs])[0, 1] > 0.95


def test_large_grids_are_drawn(tmp_path):
    import networkx as nx

    graph = nx.connected_watts_strogatz_graph(1910, 4, 0.05, seed=0)
    grid = PowerGrid.from_arrays(list(graph.edges), np.resize([1.0, -1.0], 1910))
    save_figure(plot_grid(result_of(grid, 0.9, 1.0)), tmp_path / "large.png", dpi=50)
    assert (tmp_path / "large.png").stat().st_size > 10_000


def test_a_simulated_map_is_drawn(monkeypatch):
    from gridstab.dynamics.basin_map import basin_map

    monkeypatch.setattr("gridstab.dynamics.swing.operating_point", lambda grid: np.zeros(6))
    basin = basin_map(ring_grid(6), 1, resolution=30, engine=DiscEngine(0.5))
    axes = plot_basin_map(basin).axes[0]
    np.testing.assert_allclose(axes.get_ylim(), [-15, 15])
    np.testing.assert_allclose(axes.get_xlim(), [-np.pi, np.pi])
    assert axes.texts[0].get_text() == f"{100 * basin.share:.1f} % of the plane returns"
