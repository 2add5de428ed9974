"""What a file of weights may hold, looked at before a library reads it.

``weights_only=True`` of :func:`torch.load` filters what a pickle may call, and filters have failed
before (CVE-2025-32434). So the pickle is first read as text, without running it, and only the few
names that dense tensors need may be in it. An archive may not unpack to more than the file holds:
:func:`torch.save` never compresses, so a compressed member is there to fill the memory.
"""

import io
import zipfile
from collections.abc import Iterable
from typing import IO

import torch
from torch._weights_only_unpickler import get_globals_in_pkl

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of a file that torch wrote before version 1.6: one large number."""

_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES = 22
_LEGACY_PICKLES = 5
_MAX_PICKLE_BYTES = 2**26
_MAX_MEMBERS = 200_000
_LARGEST_NPZ_RATIO = 100
_CONTAINERS = {"OrderedDict"}
_REBUILDERS = {
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
}
_TORCH_NAMES = {"Size", "device", "per_tensor_affine", "per_channel_affine"}


class RefusedError(Exception):
    """Something that an honest file of weights does not hold; a reason in one line."""


def check_torch_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that could do or become more than a state dict of its size.

    Args:
        archive: The open archive.
        size: Size of its file [bytes].

    Raises:
        RefusedError: A compressed or encrypted member, members that overlap, no pickle or one of
            other things than tensors, or a TorchScript program.
    """
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise RefusedError("a member of the archive is compressed, which torch.save never does")
    _check_members(members, size)
    # torch finds the pickle beside the first member, and does not heed upper and lower case.
    pickles = [member for member in members if member.filename.lower().endswith("data.pkl")]
    place = members[0].filename.split("/")[0] if members else ""
    if [member.filename for member in pickles] != [f"{place}/data.pkl"]:
        raise RefusedError(f"the archive does not hold the one pickle {place + '/data.pkl'!r}")
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise RefusedError("it is a TorchScript program; save the state_dict() of the model")
    if pickles[0].file_size > _MAX_PICKLE_BYTES:
        raise RefusedError(f"its pickle has {pickles[0].file_size} bytes")
    check_pickle(archive.read(pickles[0]))


def check_npz_archive(archive: zipfile.ZipFile, size: int, max_bytes: int) -> None:
    """Refuse an archive of arrays that unpacks to more than 100 times its size.

    Args:
        archive: The open archive.
        size: Size of its file [bytes].
        max_bytes: Limit on its arrays [bytes].

    Raises:
        RefusedError: Too much data, or members that are encrypted or no arrays.
    """
    members = archive.infolist()
    _check_members(members, min(_LARGEST_NPZ_RATIO * size, max_bytes))
    for member in members:
        if not member.filename.endswith(".npy"):
            raise RefusedError(f"the archive holds {member.filename!r}, which is no array")


def check_legacy_pickles(file: IO[bytes]) -> None:
    """Refuse a file of torch before version 1.6 whose pickles name more than tensors.

    Raises:
        RefusedError: As :func:`check_pickle`.
    """
    for _ in range(_LEGACY_PICKLES):
        check_pickle(file)


def check_pickle(pickle: bytes | IO[bytes]) -> None:
    """Read a pickle without running it; from a file, up to the end of the pickle.

    Operations that :func:`torch.save` never writes, some of which reach a class in other ways
    than by name, are refused as damage.

    Raises:
        RefusedError: It names what tensors do not need, or is damaged.
    """
    try:
        names = get_globals_in_pkl(io.BytesIO(pickle) if isinstance(pickle, bytes) else pickle)
    except Exception as error:  # bytes of any kind make the reader raise anything
        raise RefusedError("its pickle is damaged, or does more than torch.save writes") from error
    refused = {name for name in names if not _is_harmless(*name.rpartition(".")[::2])}
    if refused:
        # The first in the file is the class of the object itself, which tells most.
        first = min(sorted(refused), key=lambda name: _place(pickle, name))
        raise RefusedError(
            f"its pickle asks for {first!r}, which weights do not need; save the "
            "state_dict() of a model and nothing else"
        )


def _place(pickle: bytes | IO[bytes], name: str) -> int:
    """Where a pickle in memory names a class; 0 where it is read from a file."""
    if not isinstance(pickle, bytes):
        return 0
    place = pickle.find("\n".join(name.rsplit(".", 1)).encode())
    return place if place >= 0 else len(pickle)  # named as Python 2 did


def looks_damaged(start: bytes, end: bytes) -> str | None:
    """Why a file of torch cannot be whole, by its first and last bytes alone; None if it may be.

    Args:
        start: At least the first 16 bytes of the file.
        end: At least its last 22 bytes.
    """
    if not start:
        return "it is empty"
    if start.startswith(ZIP_MAGIC):
        whole = end[-_ZIP_END_BYTES:].startswith(_ZIP_END)
        return None if whole else "the end of the archive is missing"
    return None if start.startswith(LEGACY_MAGIC) else "it is no file of torch"


def _check_members(members: Iterable[zipfile.ZipInfo], limit: int) -> None:
    members = list(members)
    if len(members) > _MAX_MEMBERS:
        raise RefusedError(f"the archive holds {len(members)} members")
    if len({member.filename.lower() for member in members}) < len(members):
        raise RefusedError("two members of the archive have one name")
    if any(member.flag_bits & 0x1 for member in members):
        raise RefusedError("a member of the archive is encrypted")
    unpacked = sum(member.file_size for member in members)
    if unpacked > limit:
        raise RefusedError(f"the archive would unpack to {unpacked} bytes, more than {limit}")


def _is_harmless(module: str, name: str) -> bool:
    if module == "torch":
        is_dtype = isinstance(getattr(torch, name, None), torch.dtype)
        return is_dtype or name in _TORCH_NAMES or name.endswith("Storage")
    return (
        (module == "collections" and name in _CONTAINERS)
        or (module == "torch._utils" and name in _REBUILDERS)
        or (module == "torch.cuda" and name.endswith("Storage"))
        or (module, name) == ("torch.nn.parameter", "Parameter")
        or (module, name) == ("torch.serialization", "_get_layout")
        or (module, name) == ("torch.storage", "UntypedStorage")
    )
