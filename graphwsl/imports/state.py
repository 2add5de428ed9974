"""Weights into modules: strictly, or not at all."""

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from graphwsl import arguments
from graphwsl.errors import StateMismatchError
from graphwsl.imports.checkpoint import read_state_dict
from graphwsl.imports.safetensors import read_safetensors

Module = TypeVar("Module", bound=nn.Module)
_FEW = 3


def load_into(module: Module, state: Mapping[str, Tensor]) -> Module:
    """Copy a state dict into a module whose names and shapes are the same.

    Nothing is copied unless everything fits. A name may be missing only where the module ties it
    to one that is there (files of safetensors hold tied weights once). Types may differ where the
    module's can hold every value, as for half precision in a float32 module.

    Args:
        module: The architecture; its parameters and buffers are overwritten.
        state: Its weights.

    Returns:
        The module.

    Raises:
        StateMismatchError: Names, shapes or types differ, or tied weights have several values; the
            first differences are named.
    """
    advice = "give the network that the weights belong to"
    arguments.instance("module", module, nn.Module, "a torch.nn.Module", advice)
    arguments.state(state)
    own = module.state_dict(keep_vars=True)  # so that tied weights are one object
    missing = [name for name in own if name not in state and not _is_tied(name, own, state)]
    unexpected = [name for name in state if name not in own]
    if missing or unexpected:
        found = [f"lack {_first(missing)}"] if missing else []
        found += [f"have {_first(unexpected)} besides"] if unexpected else []
        raise StateMismatchError(f"the weights do not fit the module: they {' and '.join(found)}")
    for name, tensor in state.items():
        if tensor.shape != own[name].shape:
            raise StateMismatchError(
                f"the weights do not fit the module: {name!r} has shape {list(tensor.shape)}, "
                f"the module needs {list(own[name].shape)}"
            )
        if torch.promote_types(tensor.dtype, own[name].dtype) != own[name].dtype:
            raise StateMismatchError(
                f"the weights do not fit the module: {name!r} is of type {tensor.dtype}, "
                f"which {own[name].dtype} of the module cannot hold; convert one of them"
            )
    _require_one_value(own, state)
    module.load_state_dict(dict(state), strict=not set(own) - set(state))
    return module


def from_checkpoint(
    module: Module,
    path: str | os.PathLike[str],
    *,
    entry: str | None = None,
    strip_prefix: str = "",
    max_bytes: int = 2**32,
) -> Module:
    """Load the weights of a file into a module, strictly.

    Args:
        module: The architecture.
        path: As for :func:`read_state_dict`.
        entry: As for :func:`read_state_dict`.
        strip_prefix: As for :func:`read_state_dict`.
        max_bytes: As for :func:`read_state_dict`.

    Returns:
        The module.

    Raises:
        ImportedModelError: As :func:`read_state_dict`.
        StateMismatchError: The weights are those of another architecture.
    """
    return load_into(
        module,
        read_state_dict(path, entry=entry, strip_prefix=strip_prefix, max_bytes=max_bytes),
    )


def from_safetensors(
    module: Module, path: str | os.PathLike[str], *, max_bytes: int = 2**32
) -> Module:
    """Load the weights of a safetensors file into a module, strictly.

    Args:
        module: The architecture.
        path: The file.
        max_bytes: Limit on the file (4 GiB) [bytes].

    Returns:
        The module.

    Raises:
        ImportedModelError: The file is missing, damaged, too large, or of another format.
        StateMismatchError: The weights are those of another architecture.
    """
    return load_into(module, read_safetensors(path, max_bytes=max_bytes))


def _first(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_FEW])
    return shown if len(names) <= _FEW else f"{shown} and {len(names) - _FEW} more"


def _is_tied(name: str, own: Mapping[str, Tensor], state: Iterable[str]) -> bool:
    return any(own.get(other) is own[name] for other in state)


def _require_one_value(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    first: dict[int, str] = {}
    for name in state:
        other = first.setdefault(id(own[name]), name)
        if other != name and not torch.equal(state[other], state[name]):
            raise StateMismatchError(
                f"the module ties {other!r} and {name!r}, but the weights give them two values"
            )
