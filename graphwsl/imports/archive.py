"""Zip archives, read by the letter: one that two libraries could read differently is refused.

torch reads an archive with a library of its own, and the format leaves room for two readers to see
other members in the same bytes: a directory that does not adjoin the end record, a second end
record, names with a NUL, local headers that contradict the directory. What is checked must be what
is used, and no honest writer needs that room.
"""

import zlib
from dataclasses import dataclass
from io import BufferedIOBase
from itertools import pairwise
from struct import Struct
from typing import NamedTuple

STORED, DEFLATED = 0, 8

_END = Struct("<4s4H2LH")
_END_64 = Struct("<4sQ2H2L4Q")
_LOCATOR_64 = Struct("<4sLQL")
_ENTRY = Struct("<4s6H3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_IS_ENCRYPTED, _SIZES_FOLLOW = 0x0001, 0x0008
_LARGEST_DIRECTORY = 2**26
_WIDE, _WIDER = 0xFFFF, 0xFFFFFFFF
"""What a field of the old format holds where the one of the 64-bit format counts."""


class _Entry(NamedTuple):
    """A member in the directory; lengths are those of what follows."""

    mark: bytes
    made_by: int
    needs: int
    flags: int
    method: int
    time: int
    date: int
    checksum: int
    packed: int
    size: int
    name_length: int
    extra_length: int
    comment_length: int
    disk: int
    internal: int
    external: int
    offset: int


class _Local(NamedTuple):
    """The same in front of the member itself."""

    mark: bytes
    needs: int
    flags: int
    method: int
    time: int
    date: int
    checksum: int
    packed: int
    size: int
    name_length: int
    extra_length: int


class ArchiveError(Exception):
    """Bytes that are no zip archive, or one that can be read in several ways."""


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: As it is stored.
        method: :data:`STORED` or :data:`DEFLATED`.
        size: Its bytes once unpacked.
        packed: Its bytes in the archive.
        start: Where they begin.
        checksum: CRC-32 of the unpacked bytes.
    """

    name: str
    method: int
    size: int
    packed: int
    start: int
    checksum: int


def members_of(file: BufferedIOBase, size: int) -> list[Member]:
    """The members of an archive, in the order of its directory.

    Args:
        file: The open file.
        size: Its size [bytes].

    Raises:
        ArchiveError: Not every byte of the directory says what every reader must understand in
            the same way, members overlap, two have one name, or one is encrypted.
    """
    start, end, count = _directory(file, size)
    if end - start > _LARGEST_DIRECTORY:
        raise ArchiveError(f"its directory has {end - start} bytes")
    file.seek(start)
    data = file.read(end - start)
    members, headers, position = [], [], 0
    for _ in range(count):
        if position + _ENTRY.size > len(data):
            raise ArchiveError("its directory ends too early")
        entry = _Entry(*_ENTRY.unpack_from(data, position))
        middle = position + _ENTRY.size + entry.name_length
        stop = middle + entry.extra_length + entry.comment_length
        if entry.mark != b"PK\x01\x02" or stop > len(data):
            raise ArchiveError("its directory is damaged")
        name, extra = (
            data[position + _ENTRY.size : middle],
            data[middle : middle + entry.extra_length],
        )
        members.append(_member(file, start, entry, name, extra))
        headers.append(_sizes(entry, extra)[2])
        position = stop
    if position != len(data):
        raise ArchiveError("its directory holds more than its members")
    if len({member.name.lower() for member in members}) < len(members):
        raise ArchiveError("two members of the archive have one name")
    ends = [member.start + member.packed for member in members]
    order = sorted(zip(headers, ends, strict=True))
    if any(end > header for (_, end), (header, _) in pairwise(order)):
        raise ArchiveError("members of the archive overlap")
    return members


def read_member(file: BufferedIOBase, member: Member) -> bytes:
    """The contents of a member; memory is taken for its own size at most.

    Raises:
        ArchiveError: It is damaged, or unpacks to another size than the archive says.
    """
    file.seek(member.start)
    data = file.read(member.packed)
    if member.method == DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(data, member.size + 1)
        except zlib.error as error:
            raise ArchiveError(f"{member.name!r} in the archive is damaged: {error}") from error
    if len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise ArchiveError(f"{member.name!r} in the archive is damaged")
    return data


def _directory(file: BufferedIOBase, size: int) -> tuple[int, int, int]:
    """Where the directory begins and ends, and its number of members."""
    tail_size = _END.size + _LOCATOR_64.size + _END_64.size
    file.seek(max(0, size - tail_size))
    tail = file.read(tail_size)
    if len(tail) < _END.size or not tail[-_END.size :].startswith(b"PK\x05\x06"):
        raise ArchiveError("the end of the archive is missing")
    *old, comment = _END.unpack(tail[-_END.size :])[1:]
    position = size - _END.size
    if comment:
        raise ArchiveError("the archive ends with a comment")
    there = old
    if tail[-_END.size - _LOCATOR_64.size :].startswith(b"PK\x06\x07") and len(tail) == tail_size:
        position -= _LOCATOR_64.size + _END_64.size
        _, disk, offset, disks = _LOCATOR_64.unpack_from(tail, _END_64.size)
        mark, length, _, _, *there = _END_64.unpack_from(tail)
        if (mark, length, offset, disk, disks) != (
            b"PK\x06\x06",
            _END_64.size - 12,
            position,
            0,
            1,
        ):
            raise ArchiveError("its two end records contradict each other")
        for narrow, wide, most in zip(old, there, [_WIDE] * 4 + [_WIDER] * 2, strict=True):
            if narrow not in (wide, most):
                raise ArchiveError("its two end records contradict each other")
    disk, start_disk, here, count, length, start = there
    if (disk, start_disk) != (0, 0) or here != count:
        raise ArchiveError("the archive is a part of several")
    if start + length != position:
        raise ArchiveError("the directory of the archive does not end where its end record begins")
    return start, position, count


def _sizes(entry: _Entry, extra: bytes) -> tuple[int, int, int]:
    """Unpacked size, packed size and offset of a member; from the 64-bit field where it says so."""
    values = [entry.size, entry.packed, entry.offset]
    wide, position = b"", 0
    while position + 4 <= len(extra):
        kind, length = (
            int.from_bytes(extra[position + n : position + n + 2], "little") for n in (0, 2)
        )
        if kind == 1:
            if wide:
                raise ArchiveError("a member of the archive has two sizes")
            wide = extra[position + 4 : position + 4 + length]
        position += 4 + length
    missing = [number for number, value in enumerate(values) if value == _WIDER]
    if len(wide) != 8 * len(missing):
        raise ArchiveError("the size of a member of the archive is unclear")
    for index, number in enumerate(missing):
        values[number] = int.from_bytes(wide[8 * index : 8 * index + 8], "little")
    return values[0], values[1], values[2]


def _member(file: BufferedIOBase, limit: int, entry: _Entry, name: bytes, extra: bytes) -> Member:
    """A member whose local header agrees with its entry in the directory."""
    size, packed, offset = _sizes(entry, extra)
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise ArchiveError(f"a member of the archive is named {name[:100]!r}") from None
    if not text or not text.isprintable():
        raise ArchiveError(f"a member of the archive is named {text[:100]!r}")
    if entry.flags & _IS_ENCRYPTED:
        raise ArchiveError("a member of the archive is encrypted")
    if entry.method not in (STORED, DEFLATED) or (entry.method == STORED and size != packed):
        raise ArchiveError(f"{text!r} in the archive is packed in an unknown way")
    if offset >= limit or entry.disk != 0:
        raise ArchiveError(f"{text!r} is not where the directory of the archive says")
    file.seek(offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise ArchiveError(f"{text!r} is not where the directory of the archive says")
    local = _Local(*_LOCAL.unpack(header))
    own = (local.flags, local.method, file.read(local.name_length))
    if own != (entry.flags, entry.method, name) or not _agree(local, entry):
        raise ArchiveError(f"the header of {text!r} contradicts the directory of the archive")
    start = offset + _LOCAL.size + local.name_length + local.extra_length
    if start + packed > limit:
        raise ArchiveError(f"{text!r} reaches into the directory of the archive")
    return Member(text, entry.method, size, packed, start, entry.checksum)


def _agree(local: _Local, entry: _Entry) -> bool:
    """Whether checksum and sizes are the same, or stand where the format allows, behind the data.

    A field of 64 bits may stand in for a size.
    """
    known = (local.checksum, local.packed, local.size)
    if entry.flags & _SIZES_FOLLOW and known in ((0, 0, 0), (0, _WIDER, _WIDER)):
        return True
    return local.checksum == entry.checksum and all(
        own in (there, _WIDER)
        for own, there in ((local.packed, entry.packed), (local.size, entry.size))
    )
