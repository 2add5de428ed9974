"""Weights from files of others, which may be damaged or hostile, and run no code here."""

import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gnncore.storage import StorageError
from gnncore.storage.reading import open_file
from graphwsl import arguments
from graphwsl.errors import ImportedModelError
from graphwsl.imports import guards
from graphwsl.imports.arrays import read_arrays
from graphwsl.imports.guards import RefusedError
from graphwsl.imports.safetensors import is_safetensors, parse_safetensors

_MAX_TENSORS = 100_000
_LONGEST_REASON = 300


def read_state_dict(
    path: str | os.PathLike[str],
    *,
    entry: str | None = None,
    strip_prefix: str = "",
    max_bytes: int = 2**32,
) -> dict[str, Tensor]:
    """The tensors in a file of torch (``.pt``, ``.pth``), of safetensors or of NumPy (``.npz``).

    The format is told by the contents, not by the name. Pickles are read with
    ``weights_only=True`` behind the checks of :mod:`graphwsl.imports.guards`.

    Args:
        path: The file.
        entry: Where a training script saved the weights beside other things, as in
            ``{"state_dict": …, "epoch": 3}``: the key of the weights.
        strip_prefix: Taken off every name, which must have it; ``"module."`` for weights of
            ``DataParallel``.
        max_bytes: Limit on the file and on its tensors (4 GiB) [bytes].

    Returns:
        Dense tensors on the CPU by name, in the order of the file.

    Raises:
        ImportedModelError: The file is missing, damaged, too large, unsafe, or holds anything but
            dense tensors; always this, in one line, whatever the file is.
    """
    name = os.fspath(arguments.as_path("path", path))
    try:
        with open_file(path, max_bytes=max_bytes) as (file, size):
            state = _read(file, size, entry, max_bytes)
        return _stripped(_dense(state, max_bytes), strip_prefix)
    # A damaged pickle or archive can make its reader raise anything.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = reason.removeprefix(f"cannot read {name!r}: ")[:_LONGEST_REASON]
        raise ImportedModelError(f"cannot read weights from {name!r}: {reason}") from error


def damage(path: Path) -> str | None:
    """Why a checkpoint of torch cannot be whole, found without reading it; None if it may be.

    Looks at the first and last bytes alone, so that a zoo of many files is listed in no time.
    """
    try:
        with open_file(path) as (file, size):
            start = file.read(16)
            file.seek(max(0, size - 22))
            return guards.looks_damaged(start, file.read())
    except StorageError as error:
        return str(error).removeprefix(f"cannot read {os.fspath(path)!r}: ")


def _read(file: BufferedReader, size: int, entry: str | None, max_bytes: int) -> Mapping[Any, Any]:
    start = file.read(max(len(guards.LEGACY_MAGIC), 9))
    file.seek(0)
    if start.startswith(guards.ZIP_MAGIC):
        members = guards.members(file, size)
        if not any(member.name.lower().endswith(".pkl") for member in members):
            arrays = read_arrays(file, size, max_bytes)
            return _flat({name: _tensor(name, array) for name, array in arrays.items()}, entry)
        guards.check_torch_archive(file, members, size)
    elif start == guards.LEGACY_MAGIC[: len(start)] and start:
        guards.check_legacy_pickles(file, size)
    elif is_safetensors(start):
        return _flat(parse_safetensors(file.read(size)), entry)
    else:
        raise RefusedError(
            "it is empty" if not start else "it is no file of torch, safetensors or NumPy (.npz)"
        )
    file.seek(0)
    return _weights_in(torch.load(file, map_location="cpu", weights_only=True), entry)


def _tensor(name: str, array: np.ndarray) -> Tensor:
    try:
        return torch.from_numpy(array)
    except TypeError as error:  # which has no float128, for one
        raise RefusedError(f"{name!r} holds {array.dtype}, which torch has not") from error


def _flat(state: dict[str, Tensor], entry: str | None) -> dict[str, Tensor]:
    if entry is not None:
        raise RefusedError(f"files of this format have no entries, got entry={entry!r}")
    return state


def _weights_in(loaded: object, entry: str | None) -> Mapping[Any, Any]:
    """The state dict that a file holds, or holds in one of its entries."""
    if entry is not None:
        if not isinstance(loaded, Mapping) or entry not in loaded:
            raise RefusedError(f"it has no entry {entry!r}; {_contents(loaded)}")
        loaded = loaded[entry]
    if isinstance(loaded, Mapping) and all(isinstance(value, Tensor) for value in loaded.values()):
        return loaded
    nested = [
        key
        for key, value in (loaded.items() if isinstance(loaded, Mapping) else ())
        if isinstance(value, Mapping) and any(isinstance(v, Tensor) for v in value.values())
    ]
    advice = f"; the weights may be in entry={nested[0]!r}" if nested else ""
    raise RefusedError(f"it is not a state dict: {_contents(loaded)}{advice}")


def _contents(loaded: object) -> str:
    if not isinstance(loaded, Mapping):
        return f"it holds an object of type {type(loaded).__name__}"
    shown = ", ".join(f"{key!r} ({type(loaded[key]).__name__})" for key in list(loaded)[:4])
    return f"it holds {shown or 'nothing'}{', …' if len(loaded) > 4 else ''}"


def _dense(state: Mapping[Any, Tensor], max_bytes: int) -> dict[str, Tensor]:
    if len(state) > _MAX_TENSORS:
        raise RefusedError(f"it holds {len(state)} tensors, more than {_MAX_TENSORS}")
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise RefusedError(f"the name {name!r} is no text")
        if tensor.layout != torch.strided:
            raise RefusedError(f"{name!r} is sparse ({tensor.layout}); save it as to_dense()")
        if tensor.is_quantized:
            raise RefusedError(f"{name!r} is quantised ({tensor.dtype}); save it as dequantize()")
        if tensor.is_meta:
            raise RefusedError(f"{name!r} has no values (it is on the device 'meta')")
        if tensor.nbytes > tensor.untyped_storage().nbytes():
            raise RefusedError(f"{name!r} repeats its values (expand); save it as contiguous()")
    total = sum(tensor.nbytes for tensor in state.values())
    if total > max_bytes:
        raise RefusedError(f"its tensors have {total} bytes, more than {max_bytes} (max_bytes)")
    return {name: tensor.detach() for name, tensor in state.items()}


def _stripped(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    for name in state:
        if not name.startswith(prefix):
            raise RefusedError(f"{name!r} does not begin with {prefix!r} (strip_prefix)")
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}
