"""What an HDF5 file may hold before anything of it is read.

The format can point to other files, to itself, and to more data than any machine can hold. The
walk uses h5py's low-level interface, in which files of some ten thousand datasets take a second.
"""

import math
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

_DEFLATE, _SHUFFLE, _FLETCHER32 = 1, 2, 3
_FILTERS = {_DEFLATE, _SHUFFLE, _FLETCHER32}
_LARGEST_DEFLATE_RATIO = 1032
_ROOM_FOR_CHECKSUM = 4

LARGEST_RATIO = 100
SMALL = 2**26
"""All data of a file may unpack to 100 times its size, those of a small one to 64 MiB."""


class RefusedError(Exception):
    """Something that an honest file of numbers does not hold."""


def check_file(file: "h5py.File", file_size: int, max_bytes: int) -> None:
    """Visit every object of a file and refuse what could reach or grow beyond it.

    Args:
        file: The open file.
        file_size: Its size on disk [bytes].
        max_bytes: Limit on all its data once unpacked [bytes]; :data:`LARGEST_RATIO` and
            :data:`SMALL` hold besides, because a header may promise anything.

    Raises:
        RefusedError: Links other than hard links, an object reached twice, data in other files,
            objects or references as data, unusual filters, or too much data.
    """
    from h5py import h5a, h5d, h5g, h5l, h5o

    budget = _Budget(file_size, max_bytes)
    seen = set()
    waiting: list[tuple[Any, bytes, bytes]] = [(file.id, b".", b"")]
    while waiting:
        parent, link, path = waiting.pop()
        item = h5o.open(parent, link)
        address = h5o.get_info(item).addr
        if address in seen:
            raise RefusedError(f"{_name(path)} is linked twice")
        seen.add(address)
        for number in range(h5a.get_num_attrs(item)):
            attribute = h5a.open(item, index=number)
            budget.spend(f"an attribute of {_name(path)}", attribute.dtype, attribute.shape)
        if isinstance(item, h5d.DatasetID):
            _check_dataset(item, _name(path), budget)
        elif isinstance(item, h5g.GroupID):
            for name in item:
                if item.links.get_info(name).type != h5l.TYPE_HARD:
                    raise RefusedError(f"{_name(path + b'/' + name)} is no hard link")
                waiting.append((item, name, path + b"/" + name))


class _Budget:
    """How much the data of a file may unpack to, all together."""

    def __init__(self, file_size: int, max_bytes: int) -> None:
        self.file_size = file_size
        self.limit = min(max_bytes, max(SMALL, LARGEST_RATIO * file_size))
        self.left = self.limit

    def spend(self, what: str, dtype: Any, shape: tuple[int, ...]) -> None:
        self.left -= self.require(what, dtype, shape)

    def require(self, what: str, dtype: Any, shape: tuple[int, ...]) -> int:
        from h5py import check_string_dtype

        item_size = dtype.itemsize
        if dtype.hasobject:
            if check_string_dtype(dtype) is None:
                raise RefusedError(f"{what} holds objects or references, not numbers or text")
            item_size = self.file_size  # a text is as long as the file at most
        size = math.prod(shape) * item_size
        if size > self.left:
            raise RefusedError(
                f"{what} would unpack beyond {self.limit} bytes (max_bytes, or {LARGEST_RATIO} "
                "times the file)"
            )
        return size


def _check_dataset(dataset: Any, name: str, budget: _Budget) -> None:
    from h5py import h5d

    plan = dataset.get_create_plist()
    layout = plan.get_layout()
    if layout == h5d.VIRTUAL or plan.get_external_count():
        raise RefusedError(f"{name} keeps its data in other files")
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    if not _FILTERS.issuperset(filters) or len(set(filters)) < len(filters):
        raise RefusedError(f"{name} is packed otherwise than by gzip; repack it")
    dtype = dataset.dtype
    if layout == h5d.CHUNKED:
        # A chunk is unpacked whole, however little of it the dataset covers.
        chunk_size = budget.require(f"a chunk of {name}", dtype, plan.get_chunk())
        if _DEFLATE in filters:
            _check_chunks(dataset, name, chunk_size + _ROOM_FOR_CHECKSUM, budget.limit)
    budget.spend(name, dtype, dataset.shape)


def _check_chunks(dataset: Any, name: str, chunk_size: int, limit: int) -> None:
    """Refuse chunks that unpack to more than their size; HDF5 would unpack them to the end."""
    suspects: list[tuple[int, ...]] = []

    def look(chunk: Any) -> None:
        if chunk.size * _LARGEST_DEFLATE_RATIO > limit:
            suspects.append(chunk.chunk_offset)

    if dataset.get_storage_size() * _LARGEST_DEFLATE_RATIO > limit:
        dataset.chunk_iter(look)
    for offset in suspects:
        _, packed = dataset.read_direct_chunk(offset)
        try:
            unpacked = zlib.decompressobj().decompress(packed, chunk_size + 1)
        except zlib.error as error:
            raise RefusedError(f"a chunk of {name} is damaged") from error
        if len(unpacked) > chunk_size:
            raise RefusedError(f"a chunk of {name} unpacks beyond its size")


def _name(path: bytes) -> str:
    return repr(path.decode(errors="replace") or "/")
