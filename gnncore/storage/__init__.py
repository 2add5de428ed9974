"""Files that are there whole or not at all: the one door through which the project writes.

Every writer fills a hidden temporary file beside its target, flushes it to the disk and renames
it over the target, so a killed process or a full disk leaves the old file as it was. Every reader
treats its file as foreign: sizes are capped, links are not followed, nothing is unpickled, and
damage raises :class:`CorruptFileError`.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     write_json(f"{folder}/result.json", {"snbs": 0.5})
...     Manifest.of(folder).write()
...     Manifest.read(folder).verify()
[]
"""

from gnncore.storage.atomic import (
    is_leftover,
    make_folder,
    remove_leftovers,
    write_bytes,
    write_text,
    write_with,
)
from gnncore.storage.belonging import require_file_outside_work, require_folder_outside_work
from gnncore.storage.errors import (
    CorruptFileError,
    FolderInUseError,
    RecomputedWarning,
    StorageError,
)
from gnncore.storage.folders import is_free, write_folder_with
from gnncore.storage.hdf5 import create_dataset, encode_hdf5, read_hdf5, write_hdf5
from gnncore.storage.json_files import read_json, read_json_lines, write_json
from gnncore.storage.links import leading_to, refuse_links
from gnncore.storage.lock import LOCK_NAME, exclusive_lock
from gnncore.storage.manifest import MANIFEST_NAME, Manifest, ManifestEntry, Problem
from gnncore.storage.reading import read_bytes, sha256
from gnncore.storage.seal import Owner, check_seal, digest_of, seal_of
from gnncore.storage.sparse_tensors import (
    decode_sparse,
    encode_sparse,
    is_sparse,
    load_sparse_tensors,
    save_sparse_tensors,
)
from gnncore.storage.targets import require_writable_file, require_writable_folder
from gnncore.storage.tensors import (
    TensorFile,
    load_metadata,
    load_tensors,
    parse_tensors,
    save_tensors,
)
from gnncore.storage.toml_files import read_toml
from gnncore.storage.work_folder import WorkFolder, WorkKind, first_difference

__all__ = [
    "LOCK_NAME",
    "MANIFEST_NAME",
    "CorruptFileError",
    "FolderInUseError",
    "Manifest",
    "ManifestEntry",
    "Owner",
    "Problem",
    "RecomputedWarning",
    "StorageError",
    "TensorFile",
    "WorkFolder",
    "WorkKind",
    "check_seal",
    "create_dataset",
    "decode_sparse",
    "digest_of",
    "encode_hdf5",
    "encode_sparse",
    "exclusive_lock",
    "first_difference",
    "is_free",
    "is_leftover",
    "is_sparse",
    "leading_to",
    "load_metadata",
    "load_sparse_tensors",
    "load_tensors",
    "make_folder",
    "parse_tensors",
    "read_bytes",
    "read_hdf5",
    "read_json",
    "read_json_lines",
    "read_toml",
    "refuse_links",
    "remove_leftovers",
    "require_file_outside_work",
    "require_folder_outside_work",
    "require_writable_file",
    "require_writable_folder",
    "save_sparse_tensors",
    "save_tensors",
    "seal_of",
    "sha256",
    "write_bytes",
    "write_folder_with",
    "write_hdf5",
    "write_json",
    "write_text",
    "write_with",
]
