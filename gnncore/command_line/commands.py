"""A program of one or several commands whose foreseen errors are one line and an exit code."""

import errno
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from itertools import pairwise
from typing import Any, TextIO, TypeGuard

import typer
from typer.core import TyperGroup

from gnncore.command_line.collisions import Command
from gnncore.command_line.heartbeat import heartbeat
from gnncore.command_line.output import printable

_LONGEST_ERROR = 2000
_OF_STREAMS = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT)
_OF_THE_USER = (errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)

UsageError: Any = typer.BadParameter.__base__
"""Click's class, of which newer releases of typer carry their own copy."""


class Foreseen:
    """Turns every foreseen error into one line on stderr and an exit code; warnings are lines too.

    2: what the user asked for is wrong, or another process works in the folder, and nothing was
    written. 1: the machine failed (disk full, file damaged), or a training diverged. 130:
    interrupted.

    To be mixed into a command of typer, as :mod:`gnncore.command_line.program` does, which sets
    both attributes.

    Attributes:
        program: The name that errors begin with.
        user_error: Base of the errors that the program's users cause, or several.
        is_silent: Whether long work gives no sign of life, for which a thread of its own would run.
    """

    program: str
    user_error: type[Exception] | tuple[type[Exception], ...]
    is_silent: bool = False

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run, and exit with the code."""
        args = sys.argv[1:] if args is None else list(args)
        quiet = self.is_silent or "--quiet" in args
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # names can be half a character
        try:
            with warnings.catch_warnings(), heartbeat(self.program, quiet=quiet):
                warnings.showwarning = self._warn
                # Not standalone: errors are raised, not printed over several lines.
                options |= {"standalone_mode": False}
                code = super().main(args, *more, **options)  # type: ignore[misc]  # of the command
            if sys.stdout is not None:  # None where the program was started with it closed
                sys.stdout.flush()  # at exit nobody could say in one line that it failed
        except UsageError as error:
            code = self._fail(error.format_message() + _given(error, args), error.exit_code)
        except typer.Abort:
            code = 130
        except Exception as error:
            from gnncore.errors import GnncoreError, TrainingError
            from gnncore.storage.errors import FolderInUseError, StorageError

            if isinstance(error, FolderInUseError):
                code = self._fail(str(error), 2)
            elif isinstance(error, StorageError | TrainingError):
                code = self._fail(str(error), 1)
            elif isinstance(error, (GnncoreError, self.user_error)):
                code = self._fail(str(error), 2)
            elif isinstance(error, OSError) and error.strerror:
                if _is_of_output(error):
                    _forget_output()
                broken = isinstance(error, BrokenPipeError)  # by a reader who has read enough
                code = 1 if broken else self._fail(*_described(error))
            elif isinstance(error, MemoryError) or _is_out_of_memory(error):
                code = self._fail("that needs more memory than there is", 1)
            else:
                raise
        sys.exit(code if isinstance(code, int) else 0)

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """A warning in one line, without the line of code that Python would show."""
        del category, filename, lineno, file, line
        self._fail(str(message), 0)

    def _fail(self, message: str, code: int) -> int:
        if message:  # none where the help was printed instead
            line = printable(f"{self.program}: " + " ".join(message.split()), _LONGEST_ERROR)
            with suppress(OSError):  # nobody is left to be told
                typer.echo(line, err=True)
        return code


class Commands(Foreseen, TyperGroup):
    """Several commands in one program."""


class Alone(Foreseen, Command):
    """A program that is one command, which shows how far it is by itself."""

    is_silent = True


def _is_of_output(error: Exception) -> TypeGuard[OSError]:
    """Whether a standard stream failed, of which an error, unlike that of a file, has no name."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _OF_STREAMS


def _is_out_of_memory(error: Exception) -> bool:
    """Whether torch could not allocate, which has a class of its own on a GPU alone."""
    said = str(error)
    return isinstance(error, RuntimeError) and ("alloc_cpu" in said or "out of memory" in said)


def _forget_output() -> None:
    """Let a broken stream go, or Python complains at exit that it cannot flush it."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except OSError:
            setattr(sys, name, None)


def _described(error: OSError) -> tuple[str, int]:
    """What to say of a file or stream that the system refuses, and the exit code."""
    if _is_of_output(error):
        return f"cannot write the output: {error.strerror}", 1
    if error.filename is None:
        return f"the system refuses: {error.strerror}", 1
    name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
    return f"cannot use {name!r}: {error.strerror}", 2 if error.errno in _OF_THE_USER else 1


def _given(error: Any, args: Sequence[str]) -> str:
    """What was given for the option in question, which typer's own messages leave out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in reversed(list(pairwise(args))):
            if argument == option:
                return f", got {following!r}"
    return ""
