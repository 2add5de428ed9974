"""No module imports another that imports it, by whatever way round and wherever in the file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

from tests import ROOT

PACKAGES = ("gnncore", "graphwsl", "gridstab")
KNOWN = {
    # A process that was started to help does what the one does that started it.
    ("graphwsl.zoo.training.worker", "graphwsl.zoo.training.train"),
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports_below(node: ast.AST, *, is_package: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """All of them, in functions too; the names that a package finds when asked for apart."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (is_package and for_type_checkers(child)):
            yield from imports_below(child, is_package=is_package)


def targets(node: ast.Import | ast.ImportFrom, known: dict[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, f"relative import in line {node.lineno}"
    for alias in node.names:
        module = f"{node.module}.{alias.name}"
        yield module if module in known else str(node.module)


def imports(known: dict[str, Path]) -> nx.DiGraph:
    graph = nx.DiGraph()
    for module, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in imports_below(tree, is_package=path.name == "__init__.py"):
            graph.add_edges_from(
                (module, target)
                for target in targets(node, known)
                if target in known and not of_a_command(module, target)
            )
    return graph


def of_a_command(module: str, target: str) -> bool:
    """Commands add themselves to their program, which imports them for that."""
    return target.endswith(".cli") and module.rpartition(".")[0] == target


def circles(graph: nx.DiGraph) -> list[list[str]]:
    return [sorted(c) for c in nx.strongly_connected_components(graph) if len(c) > 1]


def test_a_circle_is_found(tmp_path: Path) -> None:
    texts = {
        "a": "import b",
        "b": "def f():\n    from c.d import e",
        "c.d": "from a import f",
        "e": "import a",
    }
    known = {}
    for name, text in texts.items():
        known[name] = tmp_path / f"{name}.py"
        known[name].write_text(text, encoding="utf-8")
    assert circles(imports(known)) == [["a", "b", "c.d"]]


def test_imports_run_in_no_circle() -> None:
    graph = imports(modules())
    assert graph.number_of_edges() > 1000
    # What is known must still be there, or it is to be taken from the list.
    assert {edge for edge in KNOWN if not graph.has_edge(*edge)} == set()
    graph.remove_edges_from(KNOWN)
    assert circles(graph) == []
