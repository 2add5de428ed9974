"""Nothing in the packages writes, pickles or opens HDF5 files but through the storage package."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("gnncore", "graphwsl", "gridstab")
WRITING_MODES = set("wax+")
WRITING_METHODS = {"write_text", "write_bytes"}
PICKLING = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
LIBRARY_WRITERS = {
    *("savefig", "imsave", "savemat", "savez", "savez_compressed", "savetxt", "tofile"),
    *("to_csv", "to_hdf", "to_pickle", "to_parquet", "to_excel"),
    *("write_html", "write_image", "save_file", "write_graphml", "write_gexf", "write_gml"),
}
MODULE_WRITERS = {("np", "save"), ("numpy", "save"), ("torch", "save"), ("json", "dump")}


def offences(source: str) -> list[tuple[int, str]]:
    """Line and name of everything in a module that belongs into the storage package."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    allowed = set(_handed_to_write_with(nodes))
    buffers = set(_buffers(nodes))
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names if a.name.split(".")[0] in PICKLING]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLING:
            found.append((node.lineno, node.module or ""))
        elif isinstance(node, ast.Call):
            found += [(node.lineno, "allow_pickle") for _ in _keywords(node, "allow_pickle", True)]
            found += [(node.lineno, "weights_only") for _ in _keywords(node, "weights_only", False)]
            name = _writes(node, buffers)
            if name is not None and (node not in allowed or name == "h5py.File"):
                found.append((node.lineno, name))
    return found


def _keywords(call: ast.Call, name: str, forbidden: bool) -> Iterator[ast.keyword]:
    for keyword in call.keywords:
        if keyword.arg == name and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value is (not forbidden)
        ):
            yield keyword


def _writes(call: ast.Call, buffers: set[str]) -> str | None:
    """The name of a call that writes a file, else None."""
    function = call.func
    if isinstance(function, ast.Name):
        opens = function.id == "open" and _for_writing(call, 1)
        return function.id if opens or function.id in LIBRARY_WRITERS else None
    if not isinstance(function, ast.Attribute):
        return None
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    if (owner, function.attr) in MODULE_WRITERS or (owner, function.attr) == ("h5py", "File"):
        return f"{owner}.{function.attr}"
    if function.attr in WRITING_METHODS and owner != "storage":
        return function.attr
    if function.attr in LIBRARY_WRITERS:
        target = call.args[0] if call.args else None
        return None if isinstance(target, ast.Name) and target.id in buffers else function.attr
    if function.attr in ("open", "fdopen"):
        if owner in ("io", "gzip", "bz2", "lzma", "os", "zipfile", "tarfile"):
            return "open" if _for_writing(call, 1) else None
        # Not every open() is that of a path: RunFolder.open(path) takes no mode.
        spelt_out = (call.args and isinstance(call.args[0], ast.Constant)) or call.keywords
        return "open" if spelt_out and _for_writing(call, 0) else None
    return None


def _for_writing(call: ast.Call, position: int) -> bool:
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    if mode is None and len(call.args) > position:
        mode = call.args[position]
    if mode is None:
        return False
    if not (isinstance(mode, ast.Constant) and isinstance(mode.value, str)):
        return True  # a mode that is not spelt out may be any
    return bool(WRITING_MODES & set(mode.value))


def _buffers(nodes: list[ast.AST]) -> Iterator[str]:
    """Names of buffers in memory, to which anything may write."""
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            function = node.value.func
            name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
            if name in ("BytesIO", "StringIO"):
                yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _handed_to_write_with(nodes: list[ast.AST]) -> Iterator[ast.AST]:
    """Calls within the functions and lambdas that a module gives to ``storage.write_with``."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("write_with"):
            for argument in node.args[1:] + [keyword.value for keyword in node.keywords]:
                yield from ast.walk(argument)
                if isinstance(argument, ast.Name):
                    names.add(argument.id)
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            yield from ast.walk(node)


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        yield from Path(spec.origin).parent.rglob("*.py")


def test_the_packages_write_through_the_storage_package_alone() -> None:
    modules = list(_modules())
    assert len(modules) > 10
    found = [
        f"{module}:{line}: {name}"
        for module in modules
        if module.parent.parts[-2:] != ("gnncore", "storage")
        for line, name in offences(module.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_storage_package_itself_unpickles_nothing() -> None:
    forbidden = {"allow_pickle", "weights_only"} | PICKLING
    for module in _modules():
        names = {name.split(".")[0] for _, name in offences(module.read_text(encoding="utf-8"))}
        assert not names & forbidden, module


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import joblib",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "torch.load(path, weights_only=False)",
        "open(path, 'w')",
        "open(path, mode='ab')",
        "open(path, mode)",
        "path.open('r+')",
        "io.open(path, 'x')",
        "gzip.open(path, 'wt')",
        "os.fdopen(number, 'wb')",
        "path.write_text('')",
        "Path('a').write_bytes(b'')",
        "figure.savefig(path)",
        "h5py.File(path)",
        "storage.write_with(path, lambda part: h5py.File(part, 'w'))",
        "np.save(path, array)",
        "json.dump(value, file)",
        "def draw(path): figure.savefig(path)",
    ],
)
def test_offences_are_found(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open()",
        "path.open('r')",
        "RunFolder.open(path)",
        "gzip.open(path, 'rt')",
        "storage.write_text(path, text)",
        "write_bytes(path, data)",
        "np.load(path, allow_pickle=False)",
        "torch.load(path, weights_only=True)",
        "storage.write_with(path, figure.savefig)",
        "storage.write_with(path, lambda part: figure.savefig(part))",
        "def draw(part): figure.savefig(part)\nstorage.write_with(path, draw)",
        "buffer = io.BytesIO()\nfigure.savefig(buffer, format='svg')",
        "text = 'pickle allow_pickle=True'  # open(path, 'w')",
    ],
)
def test_what_is_allowed_is_no_offence(source: str) -> None:
    assert offences(source) == []
