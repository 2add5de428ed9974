"""Weights in safetensors files, of every type that torch has, bfloat16 included."""

import os

from torch import Tensor

from gnncore.storage import StorageError, read_bytes
from graphwsl.arguments import as_path
from graphwsl.errors import ImportedModelError
from graphwsl.imports.guards import RefusedError

_MAX_HEADER_BYTES = 2**25


def read_safetensors(path: str | os.PathLike[str], *, max_bytes: int = 2**32) -> dict[str, Tensor]:
    """The tensors in a safetensors file, and in no other: nothing is ever unpickled.

    Args:
        path: The file.
        max_bytes: Limit on the file (4 GiB) [bytes].

    Raises:
        ImportedModelError: The file is missing, damaged, too large, or of another format.
    """
    name = os.fspath(as_path("path", path))
    try:
        data = read_bytes(path, max_bytes=max_bytes)
        if not is_safetensors(data[:9]):
            raise RefusedError("it is no file of safetensors")
        return parse_safetensors(data)
    except (RefusedError, StorageError) as error:
        reason = str(error).removeprefix(f"cannot read {name!r}: ")
        raise ImportedModelError(f"cannot read weights from {name!r}: {reason}") from error


def is_safetensors(start: bytes) -> bool:
    """Whether a file with these first 9 bytes can be one of safetensors."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_HEADER_BYTES


def parse_safetensors(data: bytes) -> dict[str, Tensor]:
    """The tensors in the contents of a file.

    Raises:
        RefusedError: Overlapping, missing or additional data, or a type that torch has not.
    """
    import safetensors
    from safetensors.torch import load

    try:
        return load(data)
    except (safetensors.SafetensorError, ArithmeticError, LookupError, ValueError) as error:
        raise RefusedError(" ".join(str(error).split())) from error
