"""Weights in torch's own format, for programs of others that read nothing else.

The project reads such files only behind the guards of its importers and keeps none of its own.
"""

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from gnncore.storage.atomic import write_with


def write_torch_state(path: str | os.PathLike[str], state: Mapping[str, Any]) -> None:
    """Write a state dict as ``torch.save`` does, atomically.

    Args:
        path: The file to create or replace.
        state: Tensors by name, and nothing else, so that ``weights_only=True`` reads it.

    Raises:
        TypeError: A name is no text, or a value no tensor.
        StorageError: As :func:`write_with`.
    """
    import torch

    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise TypeError(f"{name!r} of a state must be a tensor, got {type(value).__name__}")
    # Copies, for a view would bring all that it is a part of.
    plain = {name: value.detach().clone() for name, value in state.items()}
    write_with(path, partial(torch.save, plain))
