"""What can go wrong with a file."""

import os


class StorageError(Exception):
    """A file cannot be read or written; one line that names the path and the cause."""

    @classmethod
    def because(
        cls, doing: str, path: str | os.PathLike[str], cause: BaseException | str
    ) -> "StorageError":
        """The error "cannot <doing> <path>: <cause>", with the cause in one line."""
        text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        text = " ".join((text or type(cause).__name__).split())
        return cls(f"cannot {doing} {os.fspath(path)!r}: {text}")


class CorruptFileError(StorageError):
    """A file is damaged, or is not what its reader expects."""


class FolderInUseError(StorageError):
    """Another process, or another holder in this one, is writing in a folder."""


class RecomputedWarning(UserWarning):
    """Stored results cannot be built upon and are computed again; says which and why."""
