"""HDF5 files: the same bytes for the same content, every bit under a checksum, bounded reading."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gnncore.storage.atomic import write_bytes
from gnncore.storage.errors import CorruptFileError
from gnncore.storage.hdf5_check import RefusedError, check_file
from gnncore.storage.reading import read_bytes, size_of

if TYPE_CHECKING:
    import h5py

T = TypeVar("T")

# Of HDF5 1.10 and later, the first format that guards all its own structures by checksums.
_FORMAT = ("v110", "v110")
_PACKED = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
_FEW = 64
_MAX_HEADER_BYTES = 60_000
_LIBRARY_ERRORS = frozenset(
    {
        AttributeError,
        EOFError,
        IndexError,
        KeyError,
        MemoryError,
        OSError,
        NotImplementedError,
        OverflowError,
        RecursionError,
        RuntimeError,
        TypeError,
        UnicodeDecodeError,
        UnicodeEncodeError,
        ValueError,
        ZeroDivisionError,
    }
)


def write_hdf5(path: str | os.PathLike[str], fill: Callable[["h5py.File"], None]) -> None:
    """Create or replace an HDF5 file; equal content gives equal bytes.

    It is written as a whole, because the HDF5 library cannot recover from a disk that fills up
    under it.

    Args:
        path: The file to create or replace.
        fill: As for :func:`encode_hdf5`.

    Raises:
        StorageError: As :func:`write_with`.
    """
    write_bytes(path, encode_hdf5(fill))


def encode_hdf5(fill: Callable[["h5py.File"], None]) -> bytes:
    """The bytes of an HDF5 file.

    The file is built in memory, so it must fit there. Equality holds for the same order of
    creation and the same HDF5 and zlib libraries. HDF5 1.10 or later reads the file.

    Args:
        fill: Receives the open, empty file. Use :func:`create_dataset` in it.
    """
    import h5py

    with h5py.File("memory", "w", driver="core", backing_store=False, libver=_FORMAT) as file:
        fill(file)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def create_dataset(group: "h5py.Group", name: str, array: ArrayLike) -> "h5py.Dataset":
    """Store an array so that no bit of it can flip unnoticed and no clock enters the file.

    From 64 elements on, data are shuffled, compressed (gzip, level 4) and checksummed
    (Fletcher-32); fewer elements lie within the dataset's header, which has a checksum of its
    own. Strings are stored as UTF-8 of fixed length.

    Args:
        group: File or group to store in.
        name: Name of the dataset; groups on the way are created.
        array: Numbers, booleans or strings, of any shape.

    Raises:
        TypeError: The array holds objects.
    """
    import h5py

    values = np.asarray(array)
    if values.dtype.hasobject:
        raise TypeError(f"dataset {name!r} must hold numbers or strings, got {values.dtype}")
    if values.dtype.kind == "U":
        values = np.char.encode(values, "utf-8")
        values = values.astype(h5py.string_dtype("utf-8", max(values.dtype.itemsize, 1)))
    if values.size < _FEW and values.nbytes < _MAX_HEADER_BYTES:
        return _create_in_header(group, name, values)
    return group.create_dataset(
        name,
        data=values,
        track_times=False,
        # Cutting a scalar (a long text) into chunks is the one thing that HDF5 cannot do.
        **({"chunks": True, **_PACKED} if values.ndim else {}),
    )


def _create_in_header(group: "h5py.Group", name: str, values: np.ndarray) -> "h5py.Dataset":
    import h5py

    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)  # create_dataset would drop this for scalars
    plan.set_obj_track_times(False)
    kind = h5py.h5t.py_create(values.dtype, logical=True)
    space = h5py.h5s.create_simple(values.shape)
    dataset = h5py.Dataset(h5py.h5d.create(group.id, None, kind, space, plan))
    if values.size:
        dataset[...] = values
    group[name] = dataset
    return group[name]


def read_hdf5(
    path: str | os.PathLike[str],
    read: Callable[["h5py.File"], T],
    *,
    max_bytes: int = 2**32,
) -> T:
    """What ``read`` makes of an HDF5 file, which may come from anyone.

    Before ``read`` sees the file, all of it is walked: links other than to its own objects, data
    kept in other files, cycles, references and other objects, filters other than gzip, shuffle
    and Fletcher-32, and more than ``max_bytes`` (4 GiB) or 100 times the file (64 MiB of a small
    one) of data once unpacked are refused. File locking is off, so read-only media work.

    Args:
        path: The file.
        read: Receives the open file; must copy what it keeps (``file["snbs"][:]``).
        max_bytes: Limit on the file and on its unpacked data [bytes].

    Raises:
        CorruptFileError: The file is damaged, refused, or not as ``read`` expects; builtin
            exceptions of ``read`` (KeyError, ValueError, ...) become this error, others pass.
        StorageError: The file is missing or not readable.
    """
    import h5py

    size = size_of(path, max_bytes=max_bytes)
    read_bytes(path, only_first=8)  # says more plainly than HDF5 why a file cannot be read
    try:
        with h5py.File(path, "r", locking=False) as file:
            check_file(file, size, max_bytes)
            return read(file)
    except Exception as error:
        if isinstance(error, RefusedError) or type(error) in _LIBRARY_ERRORS:
            raise CorruptFileError.because("read", path, error) from error
        raise
