"""What can go wrong with a file."""

import os

_LONGEST_REASON = 500


class StorageError(Exception):
    """A file cannot be read or written; one line that names the path and the cause."""

    @classmethod
    def because(
        cls, doing: str, path: str | os.PathLike[str], cause: BaseException | str
    ) -> "StorageError":
        """The error "cannot <doing> <path>: <cause>", the cause in one line, cut if long."""
        text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
        text = " ".join((text or type(cause).__name__).split())
        if len(text) > _LONGEST_REASON:  # what a file holds may be repeated in it
            text = f"{text[:_LONGEST_REASON]}…"
        return cls(f"cannot {doing} {os.fspath(path)!r}: {text}")


class CorruptFileError(StorageError):
    """A file is damaged, or is not what its reader expects."""


class FolderInUseError(StorageError):
    """Another process, or another holder in this one, is writing in a folder."""


class RecomputedWarning(UserWarning):
    """Stored results cannot be built upon and are computed again; says which and why."""
