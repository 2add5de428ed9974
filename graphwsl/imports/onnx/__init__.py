"""ONNX files as torch modules whose parameters are the weights of the file."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from gnncore.extras import install_command
from gnncore.lazy import lazy
from graphwsl.errors import ImportedModelError

if TYPE_CHECKING:
    from graphwsl.imports.onnx.module import OnnxModule as OnnxModule
    from graphwsl.imports.onnx.module import from_onnx as from_onnx
    from graphwsl.imports.onnx.registry import OPERATORS as OPERATORS
    from graphwsl.imports.onnx.registry import Call as Call
    from graphwsl.imports.onnx.registry import operator as operator

# Imported on first use: only then is the optional package needed.
_HOME = {
    "OPERATORS": "registry",
    "Call": "registry",
    "OnnxModule": "module",
    "from_onnx": "module",
    "operator": "registry",
}

__all__ = [*_HOME]


_find, __dir__ = lazy(__name__, _HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME and find_spec("onnx") is None:
        raise ImportedModelError(
            f"ONNX files need the package onnx; run: {install_command('onnx')}"
        )
    return _find(name)
