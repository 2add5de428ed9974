"""Networks from elsewhere: weights in files that may come from anyone, and whole architectures.

>>> from graphwsl.imports import from_checkpoint, read_state_dict  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphwsl.imports.checkpoint import read_state_dict as read_state_dict
    from graphwsl.imports.loading import load_model as load_model
    from graphwsl.imports.onnx.module import OnnxModule as OnnxModule
    from graphwsl.imports.onnx.module import from_onnx as from_onnx
    from graphwsl.imports.state import from_checkpoint as from_checkpoint
    from graphwsl.imports.state import from_safetensors as from_safetensors
    from graphwsl.imports.state import load_into as load_into
    from graphwsl.imports.transformers import from_transformers as from_transformers

# Imported on first use, as in the package itself.
_HOME = {
    "OnnxModule": "graphwsl.imports.onnx",
    "from_checkpoint": "graphwsl.imports.state",
    "from_onnx": "graphwsl.imports.onnx",
    "from_safetensors": "graphwsl.imports.state",
    "from_transformers": "graphwsl.imports.transformers",
    "load_into": "graphwsl.imports.state",
    "load_model": "graphwsl.imports.loading",
    "read_state_dict": "graphwsl.imports.checkpoint",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphwsl.imports' has no attribute {name!r}")
