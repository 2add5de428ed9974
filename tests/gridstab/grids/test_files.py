"""Grid files: exact round trips, every format, and content that is none."""

import json
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridstab import PowerGrid, load_case, operating_point, random_grid
from gridstab.errors import CaseError, DisconnectedGridError, GridstabError
from gridstab.grids import load_grid, ring, save_grid

REUSE_FOLDER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def uneven_grid(seed: int) -> PowerGrid:
    rng = np.random.default_rng(seed)
    base = random_grid(12, seed)
    return PowerGrid.from_arrays(
        base.lines,
        rng.normal(size=12) * 10.0 ** rng.integers(-300, 300, 12),
        inertia=rng.uniform(0.1, 3, 12),
        damping=rng.uniform(0, 1, 12),
        coupling=rng.uniform(1, 9, base.num_lines),
        coordinates=rng.normal(size=(12, 2)) if seed % 2 else None,
        name=f"uneven – {seed}",
    )


def load_or_refusal(path: Path) -> PowerGrid | str:
    try:
        return load_grid(path)
    except GridstabError as error:
        return str(error)


@given(st.integers(0, 1000))
@REUSE_FOLDER
def test_json_is_exact(tmp_path: Path, seed: int) -> None:
    grid = uneven_grid(seed)
    save_grid(grid, tmp_path / "grid.json")
    back = load_grid(tmp_path / "grid.json")
    assert back == grid
    assert back.name == grid.name
    np.testing.assert_array_equal(back.coordinates, grid.coordinates)


def test_a_grid_without_lines_is_kept(tmp_path: Path) -> None:
    grid = PowerGrid.from_arrays([], [0.0])
    save_grid(grid, tmp_path / "one.json")
    assert load_grid(tmp_path / "one.json") == grid


def test_saving_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"saved as a \.json file, got '.*grid\.csv'"):
        save_grid(ring(4), tmp_path / "grid.csv")
    with pytest.raises(CaseError, match="cannot write"):
        save_grid(ring(4), tmp_path / "missing" / "grid.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is no grid that save_grid wrote"),
        ({"version": 2}, "has version 2 of the grid format, .* update"),
        ({"power": None}, "holds no valid grid: power must"),
        ({"power": [1, -1, "x", 0]}, "holds no valid grid: power must be numbers"),
        ({"lines": [[0, 1], [0, 0], [1, 2], [2, 3]]}, "self-loop"),
        ({"lines": [[0, 1], [0, 9], [1, 2], [2, 3]]}, "nodes are 0 to 3"),
        ({"lines": {"a": 1}}, "holds no valid grid"),
        ({"coupling": [1.0]}, "needs one value a line"),
        ({"coordinates": [1.0]}, "coordinates must have shape"),
        ({"name": 3}, "lacks a name"),
    ],
)
def test_damaged_json_says_what_is_wrong(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "grid.json"
    save_grid(ring(4), path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CaseError, match=message) as caught:
        load_grid(path)
    assert "\n" not in str(caught.value)


def test_missing_entries_are_named(tmp_path: Path) -> None:
    path = tmp_path / "grid.json"
    path.write_text('{"format": "gridstab.PowerGrid", "version": 1, "name": "x"}')
    with pytest.raises(CaseError, match="lacks lines, power, inertia"):
        load_grid(path)


def test_graphml_with_all_attributes(tmp_path: Path) -> None:
    grid = random_grid(12, 3)
    nx.write_graphml(grid.to_networkx(), tmp_path / "grid.graphml")
    back = load_grid(tmp_path / "grid.graphml")
    assert back == grid
    np.testing.assert_array_equal(back.coordinates, grid.coordinates)
    assert back.name == "grid"


def test_graphml_without_powers_draws_them(tmp_path: Path) -> None:
    nx.write_graphml(nx.cycle_graph(["a", "b", "c", "d"]), tmp_path / "bare.graphml")
    grid = load_grid(tmp_path / "bare.graphml", seed=5)
    assert sorted(grid.power.tolist()) == [-1, -1, 1, 1]
    assert grid == load_grid(tmp_path / "bare.graphml", seed=5)
    assert (grid.coupling == 9).all()


@pytest.mark.parametrize(
    ("text", "replacement", "reason"),
    [
        ('<node id="b">', '<node id="a">', "has the node 'a' twice"),
        ("</graph>", '<node id="z"><graph edgedefault="undirected"/></node></graph>', "2 graphs"),
        ("</graph>", '</graph><graph edgedefault="undirected"/>', "holds 2 graphs"),
        (">1.0<", ">1_0<", "has '1_0' where a number belongs"),
        (">1.0<", ">nan<", "has 'nan' where a number belongs"),
        ('attr.name="power"', 'attr.name="P"', "nodes have a number 'P', which may mean anyth"),
    ],
)
def test_what_graphml_says_is_not_passed_over(
    tmp_path: Path, text: str, replacement: str, reason: str
) -> None:
    graph = nx.path_graph(["a", "b"])
    nx.set_node_attributes(graph, {"a": 1.0, "b": -1.0}, "power")
    nx.write_graphml(graph, tmp_path / "grid.graphml")
    content = (tmp_path / "grid.graphml").read_text(encoding="utf-8")
    assert load_grid(tmp_path / "grid.graphml").power.tolist() == [1, -1]
    assert text in content
    (tmp_path / "grid.graphml").write_text(content.replace(text, replacement, 1), "utf-8")
    with pytest.raises(CaseError, match=reason):
        load_grid(tmp_path / "grid.graphml")


def test_graphml_with_some_powers_is_refused(tmp_path: Path) -> None:
    graph = nx.cycle_graph(4)
    graph.nodes[0]["power"] = 1.0
    nx.write_graphml(graph, tmp_path / "some.graphml")
    with pytest.raises(CaseError, match="node '1' of 'some' has no attribute 'power'"):
        load_grid(tmp_path / "some.graphml")


def multigraph(*couplings: object) -> nx.MultiGraph:
    """Nodes n1 and n7, joined once for each coupling."""
    graph = nx.MultiGraph()
    graph.add_nodes_from([("n1", {"power": 1}), ("n7", {"power": -1})])
    for coupling in couplings:
        graph.add_edge("n1", "n7", coupling=coupling)
    return graph


def test_couplings_of_graphml_written_as_texts_add_as_numbers(tmp_path: Path) -> None:
    nx.write_graphml(multigraph("7.5", " 2 "), tmp_path / "texts.graphml")
    grid = load_grid(tmp_path / "texts.graphml")
    assert grid.coupling.tolist() == [9.5]
    assert grid.labels == ("n1", "n7")


@pytest.mark.parametrize("text", ["7,5", "nan", "1_0", "strong", "", "True"])
def test_texts_of_graphml_that_are_no_numbers_are_refused(tmp_path: Path, text: str) -> None:
    nx.write_graphml(multigraph(text, "2"), tmp_path / "texts.graphml")
    message = f"coupling must be a number, got '{text}' at edge 'n1' to 'n7'"
    with pytest.raises(CaseError, match=message):
        load_grid(tmp_path / "texts.graphml")


def test_the_advice_on_directed_graphml_works(tmp_path: Path) -> None:
    path = tmp_path / "arrows.graphml"
    nx.write_graphml(nx.DiGraph(multigraph(4.0)), path)
    text = path.read_text()
    with pytest.raises(CaseError, match='give it edgedefault="undirected" and every line as one'):
        load_grid(path)
    second = text.index("<edge ", text.index("<edge ") + 1)
    text = text[:second] + text[text.index("</graph>") :]
    path.write_text(text.replace('edgedefault="directed"', 'edgedefault="undirected"'))
    assert load_grid(path).coupling.tolist() == [4.0]


def test_labels_survive_every_kind_of_file(tmp_path: Path) -> None:
    grid = PowerGrid.from_arrays([(0, 1)], [1.0, -1.0], labels=["Nord <&> Süd", "2"])
    save_grid(grid, tmp_path / "grid.json")
    nx.write_graphml(grid.to_networkx(), tmp_path / "grid.graphml")
    for ending in ("json", "graphml"):
        back = load_grid(tmp_path / f"grid.{ending}")
        assert back == grid
        assert back.labels == grid.labels
    save_grid(ring(4), tmp_path / "plain.json")
    assert "labels" not in json.loads((tmp_path / "plain.json").read_text())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_graphml_may_not_declare_entities(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "bomb.graphml"
    bomb = '<!DOCTYPE g [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>'
    path.write_bytes(bomb.encode(encoding))
    with pytest.raises(CaseError, match="declares XML entities"):
        load_grid(path)


@pytest.mark.parametrize(
    "text",
    [
        "0,1\n1,2\n2,3\n3,0\n",
        "from,to\n0,1\n1,2\n2,3\n3,0\n",
        "# a ring\n10 20\n20 30  # comment\n\n30\t40\n40;10\n",
        "\ufefffrom;to;coupling\r\n0;1;9\r\n1;2;9\r\n2;3;9\r\n3;0;9\r\n",
        "coupling  source target\n9 0 1\n9 1 2\n 9  2 3\n9 3 0\n",
        ",source,target,coupling\n0,10,20,9.0\n1,20,30,9.0\n2,30,40,9.0\n3,40,10,9.0\n",
        "Unnamed: 0,SOURCE,Target\n0,10,20\n1,20,30\n2,30,40\n3,40,10\n",
    ],
)
@pytest.mark.parametrize("ending", ["csv", "txt", "CSV"])
def test_line_lists(tmp_path: Path, text: str, ending: str) -> None:
    path = tmp_path / f"ring.{ending}"
    path.write_bytes(text.encode())
    grid = load_grid(path)
    assert grid.name == "ring"
    np.testing.assert_array_equal(grid.lines, ring(4).lines)
    assert sorted(grid.power.tolist()) == [-1, -1, 1, 1]
    assert (grid.coupling == 9).all()
    operating_point(grid)


def test_couplings_follow_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "uneven.csv"
    path.write_text("source target coupling\n30 10 5\n10 20 4\n20 30 6e0\n")
    grid = load_grid(path)
    assert grid.lines.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert grid.coupling.tolist() == [4, 5, 6]
    assert grid.labels == ("10", "20", "30")


def test_nodes_of_a_list_may_have_names(tmp_path: Path) -> None:
    path = tmp_path / "named.csv"
    path.write_text('bus0,bus1\nSüd,"Nord, alt"\n"Nord, alt",7\n"#3",Süd\n# a comment\n7,"#3"\n')
    grid = load_grid(path)
    assert grid.labels == ("Süd", "Nord, alt", "7", "#3")
    assert grid.lines.tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]


@pytest.mark.parametrize("how", [{}, {"index": False}, {"sep": ";"}, {"sep": "\t"}])
def test_what_pandas_writes_is_read_as_it_was(tmp_path: Path, how: dict[str, object]) -> None:
    frame = pd.DataFrame(
        {"source": [4, 5, 6, 7], "target": [5, 6, 7, 4], "coupling": [1.5, 2.5, 3.5, 1e1]}
    )
    frame.to_csv(tmp_path / "pandas.csv", **how)
    grid = load_grid(tmp_path / "pandas.csv")
    assert grid.labels == ("4", "5", "6", "7")
    assert dict(zip(map(tuple, grid.lines.tolist()), grid.coupling, strict=True)) == {
        (0, 1): 1.5,
        (1, 2): 2.5,
        (2, 3): 3.5,
        (0, 3): 10.0,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no line"),
        ("source,target\n", "lists no line"),
        ("a,b\n0,1\n", "has the columns 'a', 'b'; name the columns source, target"),
        ("0,1\n1\n", r"row 2 of .* has 1 column\(s\), not 2"),
        ("0,1,2\n", "has 3 columns without names, so what they hold is a guess"),
        ("0,1,2,3\n", "has 4 columns without names"),
        (",from,to,length\n0,1,2,30\n", "columns '', 'from', 'to', 'length'; .* leave out all"),
        ("source,target,coupling,source\n1,2,3,4\n", "has the columns"),
        ("source,target,K\n1,2,3\n", "has the columns 'source', 'target', 'k'"),
        ("0,1\n1,x\n", r"row 2 of .* has the node 'x'; give a whole number"),
        ("0,1\n1,-2\n", r"row 2 of .* has the node '-2'"),
        ("0,1\n1,2.0\n", r"row 2 of .* has the node '2\.0'"),
        ("source,target\n1,nan\n", r"row 2 of .* has the node 'nan'"),
        ("source,target\n\n1,\n", r"row 3 of .* has the node ''"),
        ("source,target\nBus #1,Bus 2\n", r"row 2 of .* has a # within"),
        ("source,target\na\x00,b\n", "labels must be texts, printable|is no row"),
        ('source,target\n"a\nb",c\n', "row 2 of .* is no row of a table"),
        ("0,99999999999999999999\n", "row 1 of .* has the node '99999999999999999999'"),
        ("source,target,coupling\n0,1,x\n", "row 2 of .* has the coupling 'x', no number"),
        ("source;target;coupling\n0;1;7,5\n", "row 2 of .* has the coupling '7,5', no number"),
        ("source,target,coupling\n0,1,nan\n", "coupling 'nan', no number"),
        ("source,target,coupling\n0,1,1e999\n", "row 2 .* coupling inf; give a positive number"),
        ("source,target,coupling\n0,1,-4\n", "row 2 .* coupling -4; give a positive number"),
        ("0,0\n", "row 1 of .* joins node '0' to itself"),
        ("0,1\n# again\n1,00\n", "row 3 of .* joins nodes '1' and '0', as row 1 does"),
    ],
)
def test_damaged_line_lists_say_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "lines.csv"
    path.write_text(text)
    with pytest.raises(CaseError, match=message) as caught:
        load_grid(path)
    assert "\n" not in str(caught.value)


def test_disconnected_lists_keep_their_own_error(tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("0,1\n2,3\n")
    with pytest.raises(DisconnectedGridError, match="'two' falls into 2 components"):
        load_grid(path)


def test_cases_are_read_as_cases(tmp_path: Path) -> None:
    from gridstab.grids.matpower import find_case

    assert load_grid(find_case("case14"), seed=2) == load_case("case14", seed=2)


def test_unknown_endings_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"known endings are \.json, \.m, \.graphml, \.csv, \.txt"):
        load_grid(tmp_path / "grid.xlsx")
    for ending in ("json", "m", "graphml", "csv"):
        with pytest.raises(CaseError, match="missing"):
            load_grid(tmp_path / f"missing.{ending}")


@given(st.binary(max_size=200), st.sampled_from(["json", "graphml", "csv", "txt"]))
@REUSE_FOLDER
def test_any_bytes_are_refused_or_a_grid(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / f"bytes.{ending}"
    path.write_bytes(content)
    loaded = load_or_refusal(path)
    assert loaded.num_nodes >= 1 if isinstance(loaded, PowerGrid) else "\n" not in loaded


@given(st.data())
@REUSE_FOLDER
def test_damaged_graphml_is_refused_or_a_grid(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "damaged.graphml"
    text = "\n".join(nx.generate_graphml(ring(4).to_networkx()))
    start = data.draw(st.integers(0, len(text)))
    text = (
        text[:start] + data.draw(st.text(max_size=8)) + text[start + data.draw(st.integers(0, 9)) :]
    )
    path.write_bytes(text.encode(errors="replace"))
    loaded = load_or_refusal(path)
    assert loaded.num_nodes >= 1 if isinstance(loaded, PowerGrid) else "\n" not in loaded


def test_values_that_are_given_take_the_place_of_the_files(tmp_path: Path) -> None:
    grid = uneven_grid(1)
    balanced = PowerGrid.from_arrays(grid.lines, [1.0, -1.0] * 6, coupling=grid.coupling)
    save_grid(balanced, tmp_path / "grid.json")
    nx.write_graphml(multigraph(4.0, 5.0), tmp_path / "grid.graphml")
    (tmp_path / "grid.csv").write_text("source,target,coupling\n0,1,4\n1,2,4\n")
    for ending in ("json", "graphml", "csv"):
        loaded = load_grid(tmp_path / f"grid.{ending}", inertia=0.2, damping=0.02, coupling=7.0)
        for values, expected in (
            (loaded.inertia, 0.2),
            (loaded.damping, 0.02),
            (loaded.coupling, 7.0),
        ):
            assert (values == expected).all()
        assert load_grid(tmp_path / f"grid.{ending}", inertia=0.2).coupling[0] != 7.0
