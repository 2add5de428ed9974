"""A program of several commands whose foreseen errors are one line and an exit code."""

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__base__
"""Click's class, of which newer releases of typer carry their own copy."""


class Commands(TyperGroup):
    """Turns every foreseen error into one line on stderr and an exit code.

    2: what the user asked for is wrong, and nothing was written. 1: the machine failed (disk full,
    file damaged), or a training diverged. 130: interrupted.

    A program derives from it and sets both attributes.

    Attributes:
        program: The name that errors begin with.
        user_error: Imports the base of the errors that the program's users cause; only called
            after an error, because a run without one needs no import.
    """

    program: str
    user_error: Callable[[], type[Exception]]

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> Any:
        """Run, and exit with the code."""
        args = sys.argv[1:] if args is None else list(args)
        try:
            # Not standalone: errors are raised, not printed over several lines.
            code = super().main(args, *more, **{**options, "standalone_mode": False})
        except UsageError as error:
            code = self._fail(error.format_message() + _given(error, args), error.exit_code)
        except typer.Abort:
            code = 130
        except Exception as error:
            from gnncore.errors import GnncoreError, TrainingError
            from gnncore.storage.errors import StorageError

            if isinstance(error, StorageError | TrainingError):
                code = self._fail(str(error), 1)
            elif isinstance(error, (GnncoreError, type(self).user_error())):
                code = self._fail(str(error), 2)
            elif isinstance(error, BrokenPipeError):
                sys.stdout = None  # or Python complains at exit
                code = 1
            else:
                raise
        sys.exit(code if isinstance(code, int) else 0)

    def _fail(self, message: str, code: int) -> int:
        if message:  # none where the help was printed instead
            typer.echo(f"{self.program}: " + " ".join(message.split()), err=True)
        return code


def _given(error: Any, args: Sequence[str]) -> str:
    """What was given for the option in question, which typer's own messages leave out."""
    for option in getattr(getattr(error, "param", None), "opts", ()):
        for argument, following in reversed(list(pairwise(args))):
            if argument == option:
                return f", got {following!r}"
    return ""
