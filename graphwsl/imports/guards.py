"""What a file of weights may hold, looked at before a library reads it.

``weights_only=True`` of :func:`torch.load` filters what a pickle may call, and filters have failed
before (CVE-2025-32434). So the pickle is first followed as text, without running it, and only the
few names that dense tensors need may be in it. An archive may not unpack to more than the file
holds: :func:`torch.save` never compresses, so a compressed member is there to fill the memory.
"""

from io import BufferedIOBase

from graphwsl.imports.archive import STORED, ArchiveError, Member, members_of, read_member
from graphwsl.imports.pickles import LONGEST, PickleError, check_pickle

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first pickle of a file that torch wrote before version 1.6: one large number."""

_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES = 22
_LEGACY_PICKLES = 5
_LARGEST_NPZ_RATIO = 100
_MAX_TENSORS = 100_000


class RefusedError(Exception):
    """Something that an honest file of weights does not hold; a reason in one line."""


def members(file: BufferedIOBase, size: int) -> list[Member]:
    """The members of an archive that every reader understands in the same way.

    Raises:
        RefusedError: As :func:`graphwsl.imports.archive.members_of`.
    """
    try:
        return members_of(file, size)
    except ArchiveError as error:
        raise RefusedError(str(error)) from error


def contents(file: BufferedIOBase, member: Member) -> bytes:
    """What a member holds.

    Raises:
        RefusedError: It is damaged.
    """
    try:
        return read_member(file, member)
    except ArchiveError as error:
        raise RefusedError(str(error)) from error


def check_torch_archive(file: BufferedIOBase, found: list[Member], size: int) -> None:
    """Refuse an archive that could do or become more than a state dict of its size.

    Args:
        file: The open file.
        found: Its members.
        size: Its size [bytes].

    Raises:
        RefusedError: A compressed member, no pickle or one of other things than tensors, or a
            TorchScript program.
    """
    if any(member.method != STORED for member in found):
        raise RefusedError("a member of the archive is compressed, which torch.save never does")
    # torch finds the pickle beside the first member, and does not heed upper and lower case.
    pickles = [member for member in found if member.name.lower().endswith("data.pkl")]
    folder = found[0].name.split("/")[0] if found else ""
    if [member.name for member in pickles] != [f"{folder}/data.pkl"]:
        raise RefusedError(f"the archive does not hold the one pickle {folder + '/data.pkl'!r}")
    if any(member.name.endswith("/constants.pkl") for member in found):
        raise RefusedError("it is a TorchScript program; save the state_dict() of the model")
    if pickles[0].size > LONGEST:
        raise RefusedError(f"its pickle has {pickles[0].size} bytes, more than {LONGEST}")
    file.seek(pickles[0].start)
    _check_pickles(file.read(pickles[0].size), 1, size)


def check_npz_archive(found: list[Member], size: int, max_bytes: int) -> None:
    """Refuse an archive of arrays that unpacks to more than 100 times its size.

    Args:
        found: Its members.
        size: Size of its file [bytes].
        max_bytes: Limit on its arrays [bytes].

    Raises:
        RefusedError: Too much data, or members that are no arrays.
    """
    unpacked, limit = sum(m.size for m in found), min(_LARGEST_NPZ_RATIO * size, max_bytes)
    if unpacked > limit:
        raise RefusedError(f"the archive would unpack to {unpacked} bytes, more than {limit}")
    if len(found) > _MAX_TENSORS:
        raise RefusedError(f"the archive holds {len(found)} members, more than {_MAX_TENSORS}")
    for member in found:
        if not member.name.endswith(".npy"):
            raise RefusedError(f"the archive holds {member.name!r}, which is no array")


def check_legacy_pickles(file: BufferedIOBase, size: int) -> None:
    """Refuse a file of torch before version 1.6 whose pickles name more than tensors.

    Args:
        file: The open file, at its start.
        size: Its size [bytes].

    Raises:
        RefusedError: As :func:`graphwsl.imports.pickles.check_pickle`, or a storage of more
            elements than the file has bytes.
    """
    _check_pickles(file.read(min(size, LONGEST)), _LEGACY_PICKLES, size)


def _check_pickles(data: bytes, count: int, size: int) -> None:
    end = 0
    for _ in range(count):
        try:
            checked = check_pickle(data, end)
        except PickleError as error:
            raise RefusedError(str(error)) from error
        end = checked.end
        # Some formats take memory for it first, and look what there is afterwards.
        declared = sum(checked.storages.values())
        if declared > size:
            raise RefusedError(f"it declares {declared} elements, but has {size} bytes")


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
