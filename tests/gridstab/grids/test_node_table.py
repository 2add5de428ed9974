"""Tables of nodes: every value reaches its node, by label; whatever does not fit is refused."""

import csv
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridstab import PowerGrid, load_case, operating_point
from gridstab.datasets.grid_source import GridSource
from gridstab.errors import CaseError, DisconnectedGridError, InvalidParameterError
from gridstab.grids import load_grid, save_grid, texas_grid
from gridstab.grids.node_table import NodeTable

LABELS = ["Süd", "Nord, alt", "7", "#3"]
TABLE = """node,power,inertia,damping
7,0.5,3,0.3
"Nord, alt",-2.25,2,0
Süd,1,1.5,0.1
"#3",0.75,1e-1,.4
"""
POWER, INERTIA, DAMPING = [1.0, -2.25, 0.5, 0.75], [1.5, 2.0, 3.0, 0.1], [0.1, 0.0, 0.3, 0.4]


def ring(**more: object) -> PowerGrid:
    return PowerGrid.from_arrays(
        [(0, 1), (1, 2), (2, 3), (0, 3)], [1.0, -1.0, 1.0, -1.0], labels=LABELS, **more
    )


def write_lists(grid: PowerGrid, folder: Path) -> None:
    """The grid as a list of lines and a table of nodes."""
    with open(folder / "lines.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["source", "target", "coupling"])
        for (a, b), coupling in zip(grid.lines, grid.coupling, strict=True):
            writer.writerow([grid.labels[a], grid.labels[b], float(coupling)])
    columns = {"power": grid.power, "inertia": grid.inertia, "damping": grid.damping}
    if grid.coordinates is not None:
        columns |= {"x": grid.coordinates[:, 0], "y": grid.coordinates[:, 1]}
    table = pd.DataFrame(columns, index=pd.Index(grid.labels, name="bus"))
    table.to_csv(folder / "nodes.csv", quoting=csv.QUOTE_NONNUMERIC)


def by_label(grid: PowerGrid) -> dict[str, list[float]]:
    columns = [grid.power, grid.inertia, grid.damping]
    if grid.coordinates is not None:
        columns += list(grid.coordinates.T)
    return dict(zip(grid.labels, np.array(columns).T.tolist(), strict=True))


@pytest.mark.parametrize("ending", ["json", "graphml", "csv"])
def test_the_table_takes_the_place_of_what_a_file_says(tmp_path: Path, ending: str) -> None:
    grid = ring(coupling=[4.0, 5.0, 6.0, 7.0])
    save_grid(grid, tmp_path / "grid.json")
    nx.write_graphml(grid.to_networkx(), tmp_path / "grid.graphml")
    write_lists(grid, tmp_path)
    (tmp_path / "lines.csv").rename(tmp_path / "grid.csv")
    (tmp_path / "nodes.csv").write_text(TABLE, encoding="utf-8")
    loaded = load_grid(tmp_path / f"grid.{ending}", node_table=tmp_path / "nodes.csv")
    expected = zip(LABELS, zip(POWER, INERTIA, DAMPING, strict=True), strict=True)
    assert by_label(loaded) == {label: list(values) for label, values in expected}
    coupling_of = {
        frozenset(loaded.labels[node] for node in line): coupling
        for line, coupling in zip(loaded.lines, loaded.coupling, strict=True)
    }
    assert coupling_of[frozenset(["Süd", "#3"])] == 7.0


@given(st.integers(0, 10**6))
def test_a_list_of_lines_and_a_table_hold_a_grid_exactly(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("grid")
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(2, 9))
    lines = [(node, int(rng.integers(node))) for node in range(1, nodes)]
    grid = PowerGrid.from_arrays(
        lines,
        rng.normal(size=nodes) * 10.0 ** rng.integers(-9, 9, nodes),
        inertia=rng.uniform(1e-6, 3, nodes),
        damping=rng.uniform(0, 1, nodes),
        coupling=rng.uniform(1, 9, nodes - 1),
        coordinates=rng.normal(size=(nodes, 2)) if seed % 2 else None,
        labels=[str(label) for label in np.sort(rng.choice(1000, nodes, replace=False))],
    )
    write_lists(grid, folder)
    back = load_grid(folder / "lines.csv", node_table=folder / "nodes.csv")
    assert back == grid
    assert back.labels == grid.labels
    np.testing.assert_array_equal(back.coordinates, grid.coordinates)


def test_without_powers_they_are_random_as_without_the_table(tmp_path: Path) -> None:
    write_lists(ring(), tmp_path)
    (tmp_path / "nodes.csv").write_text(
        'node;inertia\n7;3\n"Nord, alt";2\nSüd;1.5\n"#3";4\n', encoding="utf-8"
    )
    plain = load_grid(tmp_path / "lines.csv", seed=3)
    loaded = load_grid(tmp_path / "lines.csv", seed=3, node_table=tmp_path / "nodes.csv")
    np.testing.assert_array_equal(loaded.power, plain.power)
    assert dict(zip(loaded.labels, loaded.inertia, strict=True))["7"] == 3
    assert (loaded.damping == 0.1).all()


def test_powers_of_the_table_need_no_random_ones_to_be_possible(tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("source,target,coupling\n1,2,.5\n2,3,.5\n3,4,.5\n")
    (tmp_path / "nodes.csv").write_text("node,power\n01,.3\n2,-.3\n3,.3\n4,-.3\n")
    grid = load_grid(tmp_path / "lines.csv", node_table=tmp_path / "nodes.csv")
    assert grid.power.tolist() == [0.3, -0.3, 0.3, -0.3]
    (tmp_path / "lines.csv").write_text("source,target\n1,2\n3,4\n")
    with pytest.raises(DisconnectedGridError):
        load_grid(tmp_path / "lines.csv", node_table=tmp_path / "nodes.csv")


def write_machines(folder: Path, labels: tuple[str, ...], **columns: float) -> Path:
    frame = pd.DataFrame({"node": labels, **columns})
    frame.to_csv(folder / "machines.csv")
    return folder / "machines.csv"


def test_cases_take_the_values_of_the_table(tmp_path: Path) -> None:
    own = load_case("case14", setting="case")
    table = write_machines(tmp_path, own.labels[::-1], inertia=0.085, damping=0.02)
    grid = load_case("case14", setting="case", node_table=table)
    assert grid == load_case("case14", setting="case", inertia=0.085, damping=0.02)
    homogeneous = load_case("case14", seed=4, node_table=table)
    assert homogeneous == load_case("case14", seed=4, inertia=0.085, damping=0.02)
    pd.DataFrame({"bus": own.labels, "power": own.power}).to_csv(table)
    np.testing.assert_array_equal(load_case("case14", node_table=table).power, own.power)
    texas = texas_grid()
    table = write_machines(tmp_path, texas.labels, power=0.0, inertia=2.0)
    assert (texas_grid(node_table=table).power == 0).all()
    assert (load_case("texas", node_table=table).inertia == 2).all()


def test_buses_that_a_case_drops_may_have_a_row(tmp_path: Path) -> None:
    buses = "\n".join(f"{bus} {3 if bus == 1 else 1} 0 0 0 0 1 1 0 1 1 2 0;" for bus in range(1, 7))
    lines = [(1, 2), (2, 3), (3, 4), (4, 1), (5, 6)]
    branches = "\n".join(f"{a} {b} 0 0.1 0 0 0 0 0 0 1 -360 360;" for a, b in lines)
    (tmp_path / "two.m").write_text(
        "function mpc = two\nmpc.version = '2';\nmpc.baseMVA = 100;\n"
        f"mpc.bus = [\n{buses}\n];\nmpc.gen = [ 1 0 0 0 0 1 100 1 0 0 ];\n"
        f"mpc.branch = [\n{branches}\n];\n"
    )
    table = write_machines(tmp_path, tuple("654321"), inertia=0.5)
    grid = load_case(tmp_path / "two.m", largest_component=True, node_table=table)
    assert grid.labels == ("1", "2", "3", "4")
    assert (grid.inertia == 0.5).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no names of columns; name one column node, the others of power, inertia"),
        ("1,2\n2,3\n", "has no names of columns"),
        ("node\n1\n", "has the columns 'node'; name one column node"),
        ("power\n1\n", "has the columns 'power'; name one column node"),
        ("node,bus,power\n1,1,1\n", "has the columns 'node', 'bus', 'power'"),
        ("node,H\n1,4\n", "has the columns 'node', 'h'; name one column"),
        ("node,power,power\n1,1,1\n", "has the columns"),
        ("node,x\n1,1\n", "has one of the columns x and y; give both"),
        ("node,power\n", "lists no node"),
        ("node,power\n1,1\n2\n", r"row 3 of '.*nodes.csv' has 1 column\(s\), not 2"),
        ("node,power\n1,x\n", "row 2 of .* has the power 'x', no number"),
        ("node,power\n1,\n", "row 2 of .* has the power '', no number"),
        ("node,power\n1,nan\n", "row 2 of .* has the power 'nan', no number"),
        ("node,power\n1,1e999\n", "has the power inf; give a finite number"),
        ("node,inertia\n1,0\n", "has the inertia 0; give a positive number"),
        ("node,damping\n1,-1\n", "has the damping -1; give a number from 0"),
        ("node,power\n1,1\n2,1\n3,1\n", "has no row for 1 of 4 nodes, the first '4'"),
        ("node,power\n1,1\n2,1\n3,1\n4,1\n01,1\n", "row 6 of .* has the node '1' again, as row 2"),
        (
            "node,power\n1,1\n2,1\n3,1\n5,1\n",
            "row 5 of .* has the node '5', but the 4 nodes of the grid are called 1 to 4",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lines.csv").write_text("source,target\n1,2\n2,3\n3,4\n")
    (tmp_path / "nodes.csv").write_text(text)
    with pytest.raises(CaseError, match=message) as caught:
        load_grid(tmp_path / "lines.csv", node_table=tmp_path / "nodes.csv")
    assert "\n" not in str(caught.value)


def test_nothing_of_a_file_behind_a_link_is_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password,swordfish\n1,2\n")
    (tmp_path / "nodes.csv").symlink_to("secret")
    with pytest.raises(CaseError, match="has other columns") as caught:
        NodeTable.read(tmp_path / "nodes.csv")
    assert "swordfish" not in str(caught.value)


def test_what_is_given_twice_is_refused(tmp_path: Path) -> None:
    save_grid(ring(), tmp_path / "grid.json")
    (tmp_path / "nodes.csv").write_text(TABLE, encoding="utf-8")
    with pytest.raises(InvalidParameterError, match=r"inertia 0.2 is for all nodes, but .*nodes"):
        load_grid(tmp_path / "grid.json", inertia=0.2, node_table=tmp_path / "nodes.csv")
    loaded = load_grid(tmp_path / "grid.json", coupling=2.0, node_table=tmp_path / "nodes.csv")
    assert (loaded.coupling == 2).all()


def test_grids_of_a_campaign_share_the_table(tmp_path: Path) -> None:
    table = write_machines(tmp_path, load_case("case14").labels, inertia=0.5)
    source = GridSource.of(nodes=None, case="case14", seed=1, grids=2, node_table=str(table))
    first, second = source.grid(1), source.grid(2)
    assert (first.inertia == 0.5).all()
    assert (second.inertia == 0.5).all()
    assert (first.power != second.power).any()
    table = write_machines(tmp_path, load_case("case14").labels, power=0.0)
    with pytest.raises(InvalidParameterError, match="single grid, got grids 2"):
        GridSource.of(nodes=None, case="case14", seed=1, grids=2, node_table=str(table))
    with pytest.raises(InvalidParameterError, match="is for the nodes of a case"):
        GridSource.of(nodes=6, case=None, seed=1, node_table=str(table))
    own = GridSource.of(nodes=None, case="case14", seed=1, node_table=str(table))
    assert (own.grid(1).power == 0).all()
    operating_point(own.grid(1))
