"""What the packages offer is described: in sentences, with every argument and no argument too many.

The sources are read, not imported, so that nothing that an extra is needed for is left out.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import ROOT

PACKAGES = ("gnncore", "graphwsl", "gridstab")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Public(NamedTuple):
    """A function, class or method that users may call, and where it stands."""

    location: str
    node: Definition
    owner: ast.ClassDef | None

    @property
    def text(self) -> str:
        return ast.get_docstring(self.node) or ""


def modules(package: str) -> Iterator[Path]:
    for path in sorted((ROOT / package).rglob("*.py")):
        names = path.relative_to(ROOT).with_suffix("").parts
        if not any(name.startswith("_") and name != "__init__" for name in names):
            yield path


def members(path: Path, body: list[ast.stmt], owner: ast.ClassDef | None) -> Iterator[Public]:
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
        if decorators & {"overload", "setter"}:
            continue
        name = node.name if owner is None else f"{owner.name}.{node.name}"
        yield Public(f"{path.relative_to(ROOT)}:{node.lineno} {name}", node, owner)
        if isinstance(node, ast.ClassDef):
            yield from members(path, node.body, node)


def public(package: str) -> list[Public]:
    return [
        member
        for path in modules(package)
        for member in members(path, ast.parse(path.read_text(encoding="utf-8")).body, None)
    ]


def is_sentence(text: str) -> bool:
    """Whether its first paragraph says something of its own, from a beginning to an end."""
    first = " ".join(text.split("\n\n")[0].split())
    # Symbols of formulae and names of other packages are written as they are.
    begins = not re.match(r"[a-z]{2,} ", first)
    is_a_rest = re.match(r"(Of|In|To|By|With) \S+( \S+){0,2}\.$", first) is not None
    refers = re.match(r"See :\w+:`[^`]+`", first) is not None
    ends = first.endswith((".", "?", "!", ":"))
    return ends and begins and not is_a_rest and (refers or len(first.split()) > 2)


def section(text: str, title: str) -> dict[str, str] | None:
    """The entries of a section by their names; None where there is no such section."""
    found = re.search(rf"^{title}:\n((?: +.*\n|\n)*)", text + "\n", re.M)
    if found is None:
        return None
    entries: dict[str, str] = {}
    for names, said in re.findall(r"^ {4}((?:\*{0,2}\w+(?:, )?)+): (.*)$", found[1], re.M):
        entries |= {name.strip(" *"): said for name in names.split(",")}
    return entries


def parameters(node: Definition, *, bound: bool) -> list[str]:
    if isinstance(node, ast.ClassDef):
        made = [one for one in node.body if getattr(one, "name", "") == "__init__"]
        assert isinstance(made[0], ast.FunctionDef)
        return parameters(made[0], bound=True)
    given = node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    names += [one.arg for one in (given.vararg, given.kwarg) if one is not None]
    is_static = any(ast.unparse(one) == "staticmethod" for one in node.decorator_list)
    return [name for name in names[bound and not is_static :] if not name.startswith("_")]


def fields(node: ast.ClassDef) -> set[str]:
    """Annotated fields, but for those that a string below describes."""
    found = set()
    for one, following in zip(node.body, [*node.body[1:], None], strict=True):
        described = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and not described:
            kind = ast.unparse(one.annotation)
            if not one.target.id.startswith("_") and not kind.startswith("ClassVar"):
                found.add(one.target.id)
    return found


def test_there_is_something_to_check() -> None:
    assert all(len(public(package)) > 200 for package in PACKAGES)
    assert [is_sentence(text) for text in ("Of SGD.", "A number", "number of nodes.", "P.")] == [
        False
    ] * 4
    assert is_sentence("Number of nodes.")
    text = inspect.cleandoc("""A thing.

        Args:
            first, second: Numbers:
                with more: lines.
            *others: The rest.

        Raises:
            ValueError: None are given.
    """)
    assert section(text, "Args") == {
        "first": "Numbers:",
        "second": "Numbers:",
        "others": "The rest.",
    }
    assert section(text, "Attributes") is None


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_have_docstrings_that_are_sentences(package: str) -> None:
    texts = {
        path: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for path in modules(package)
    }
    assert [str(path) for path, text in texts.items() if not is_sentence(text)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_have_docstrings_that_are_sentences(package: str) -> None:
    found = [(one.location, one.text[:80]) for one in public(package) if not is_sentence(one.text)]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_lists_arguments_lists_all_of_them(package: str) -> None:
    found = []
    for one in public(package):
        described = section(one.text, "Args")
        if described is not None:
            expected = set(parameters(one.node, bound=one.owner is not None))
            if described.keys() != expected:
                found.append((one.location, sorted(described.keys() ^ expected)))
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_lists_attributes_lists_all_fields(package: str) -> None:
    found = []
    for one in public(package):
        described = section(one.text, "Attributes")
        if described is not None and isinstance(one.node, ast.ClassDef):
            missing = fields(one.node) - described.keys()
            if missing:
                found.append((one.location, sorted(missing)))
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_entries_say_what_they_are(package: str) -> None:
    """``seed: Seed of the graphs.`` and not ``seed: Of the graphs.``"""
    entries = [
        (one.location, name, said)
        for one in public(package)
        for title in ("Args", "Attributes", "Raises")
        for name, said in (section(one.text, title) or {}).items()
    ]
    assert len(entries) > 100
    assert [entry for entry in entries if re.match(r"(Of|In|To|By) ", entry[2])] == []


def offered(package: str) -> set[tuple[Path, str]]:
    """All that packages list in ``__all__``, or in the table from which they list it, and where."""
    found = set()
    for path in (ROOT / package).rglob("__init__.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if {ast.unparse(target) for target in targets} & {"__all__", "_HOME"}:
                inside = ast.walk(node.value)  # type: ignore[attr-defined]
                texts = [one.value for one in inside if isinstance(one, ast.Constant)]
                found |= {(path.parent, str(text)) for text in texts}
    return found


def is_evident(parameter: ast.arg, text: str) -> bool:
    """Whether the text speaks of it, or its type is what it is called."""
    word = parameter.arg.replace("_", " ").rstrip("s")
    kind = ast.unparse(parameter.annotation) if parameter.annotation else ""
    called = parameter.arg.replace("_", "").rstrip("s")
    return word in text.lower() or parameter.arg in text or called in kind.lower()


@pytest.mark.parametrize("package", PACKAGES)
def test_arguments_of_what_packages_offer_are_described_or_evident(package: str) -> None:
    names, found, seen = offered(package), [], 0
    for one in public(package):
        path = ROOT / one.location.partition(":")[0]
        is_offered = any((folder, one.node.name) in names for folder in path.parents)
        if "cli" in path.parts:  # options have words of their own in the help
            continue
        if isinstance(one.node, ast.ClassDef) or one.owner is not None or not is_offered:
            continue
        seen += 1
        refers = re.search(r"([Tt]akes the arguments of|see) :\w+:`", one.text)
        if section(one.text, "Args") is None and not refers:
            given = one.node.args
            unclear = [
                parameter.arg
                for parameter in (*given.posonlyargs, *given.args, *given.kwonlyargs)
                if not is_evident(parameter, one.text)
            ]
            if unclear:
                found.append((one.location, unclear))
    assert seen > 10
    assert found == []
