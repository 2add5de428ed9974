"""Networks from elsewhere: weights in files that may come from anyone, and whole architectures.

>>> from graphwsl.imports import from_checkpoint, read_state_dict  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from gnncore.lazy import lazy

if TYPE_CHECKING:
    from graphwsl.imports.checkpoint import read_state_dict as read_state_dict
    from graphwsl.imports.hub_cache import HubListing as HubListing
    from graphwsl.imports.hub_cache import HubModel as HubModel
    from graphwsl.imports.hub_cache import download_hub_model as download_hub_model
    from graphwsl.imports.hub_cache import find_hub_model as find_hub_model
    from graphwsl.imports.hub_cache import list_hub_cache as list_hub_cache
    from graphwsl.imports.loading import load_model as load_model
    from graphwsl.imports.onnx.module import OnnxModule as OnnxModule
    from graphwsl.imports.onnx.module import from_onnx as from_onnx
    from graphwsl.imports.state import from_checkpoint as from_checkpoint
    from graphwsl.imports.state import from_safetensors as from_safetensors
    from graphwsl.imports.state import load_into as load_into
    from graphwsl.imports.transformers import from_transformers as from_transformers

# Imported on first use, as in the package itself.
_HOME = {
    "HubListing": "hub_cache",
    "HubModel": "hub_cache",
    "OnnxModule": "onnx",
    "download_hub_model": "hub_cache",
    "find_hub_model": "hub_cache",
    "from_checkpoint": "state",
    "from_onnx": "onnx",
    "from_safetensors": "state",
    "from_transformers": "transformers",
    "list_hub_cache": "hub_cache",
    "load_into": "state",
    "load_model": "loading",
    "read_state_dict": "checkpoint",
}

__all__ = [*_HOME]


__getattr__, __dir__ = lazy(__name__, _HOME)
