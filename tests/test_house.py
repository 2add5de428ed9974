"""The rules of the house that no other tool checks; ``docs/house.md`` explains them."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from tests import ROOT

PACKAGES = ("gnncore", "graphwsl", "gridstab")
FOLDERS = (*PACKAGES, "tests", "docs", "examples", "benchmarks", "simulations")
CODE = {".py", ".md", ".toml", ".yaml", ".cu", ".cpp", ".h"}
LONGEST = 500
HEAVY = {"torch", "numba", "matplotlib", "scipy", "h5py", "ray"}


def files(suffixes: set[str]) -> Iterator[Path]:
    """The project's own files; what tools leave in hidden folders is not."""
    yield ROOT / ".ci" / "run"
    yield from (path for path in ROOT.iterdir() if path.suffix in suffixes)
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(ROOT).parts)
            if path.suffix in suffixes and not hidden:
                yield path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files(CODE)
    }
    assert len(lengths) > 100
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_no_file_names_a_path_of_one_machine() -> None:
    # Spelt in pieces, so that this file does not name one itself.
    path_of_machine = re.compile(r"(?<![\w.~])/(?:work|tmp|home|root|Users)" + "/")
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files(CODE | {".txt", ".json"})
        for match in path_of_machine.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = {package: import_module(package).__version__ for package in PACKAGES}
    assert versions == dict.fromkeys(PACKAGES, project["version"])
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


PUBLIC = [
    f"{package}.{name}"
    for package in ("graphwsl", "gridstab")
    for name in import_module(package).__all__
    if not name.startswith("_")
]


@pytest.mark.parametrize("public", PUBLIC)
def test_what_the_packages_offer_is_documented(public: str) -> None:
    package, _, name = public.rpartition(".")
    thing = getattr(import_module(package), name)
    text = inspect.getdoc(thing.__call__ if inspect.ismodule(thing) else thing) or ""
    sections = ("Attributes:",) if inspect.isclass(thing) else ("Args:", "Raises:")
    assert [section for section in sections if section not in text] == []


HOMES = [
    ".".join(path.parent.relative_to(ROOT).parts)
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("__init__.py"))
    if re.search(r"^__all__", path.read_text(encoding="utf-8"), re.M)
]


@pytest.mark.parametrize("home", HOMES)
def test_every_name_is_where_it_is_said_to_be(home: str) -> None:
    package = import_module(home)
    assert len(set(package.__all__)) == len(package.__all__)
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
    # What is imported when it is asked for is what type checkers are told of, and nothing else.
    lazy = {name for name in getattr(package, "_HOME", {}) if not name.startswith("_")}
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding="utf-8"))
    told = {
        str(alias.asname or alias.name)
        for block in tree.body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    modules = {name for name in told if inspect.ismodule(getattr(package, name))}
    assert lazy == told - modules
    assert lazy <= set(package.__all__)
    assert set(package.__all__) <= set(dir(package))


def test_importing_a_module_hides_no_other_name() -> None:
    hidden = {
        f"{home}.{module.name}"
        for home in HOMES
        for module in iter_modules(import_module(home).__path__)
        if module.name in getattr(import_module(home), "_HOME", {})
    }
    functions = ("basin_map", "outcomes", "simulate")  # those that docs/house.md lists
    assert hidden == {
        "gridstab.grids.power_flow",
        *(f"gridstab.dynamics.{function}" for function in functions),
    }


@pytest.mark.parametrize("module", ["gridstab", "gridstab.cli", "gridstab.errors", "graphwsl.cli"])
def test_importing_is_light(module: str) -> None:
    out = run(sys.executable, "-c", f"import {module}, sys; print(*sys.modules)")
    assert module in out.split()
    assert HEAVY & set(out.split()) == set()


@pytest.mark.parametrize("package", ["gridstab.grids", "gridstab.dynamics", "gridstab.datasets"])
def test_simulating_needs_no_torch(package: str) -> None:
    out = run(sys.executable, "-c", f"from {package} import *; import sys; print(*sys.modules)")
    assert package in out.split()
    assert "torch" not in out.split()


def test_the_program_answers() -> None:
    assert "simulate" in run(sys.executable, "-m", "gridstab", "--help")


def test_imports_go_one_way() -> None:
    assert "0 broken" in run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")


def test_the_checks_are_a_valid_script() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    run("bash", "-n", str(script))


def test_zoos_are_opened_without_the_packages_of_graphs() -> None:
    """PyTorch Geometric takes longer to import than torch."""
    code = "import sys, graphwsl.zoo; graphwsl.zoo.open_zoo; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch_geometric", "torchmetrics", "sklearn", "matplotlib"} & {*done.stdout.split()}
