"""What is said of an interrupted command: the one that continues it."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def resumable(program: str) -> Iterator[None]:
    """Let Ctrl-C in the block end the program with a line that says how to continue.

    The exit code is 130, as shells have it.

    Args:
        program: The name of the program.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; continue with: {command_to_resume(program)}", err=True)
        raise typer.Exit(130) from None


def command_to_resume(program: str) -> str:
    """The command line as it was given, with --resume.

    Args:
        program: The name of the program.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--resume"]
    return shlex.join([program, *arguments, "--resume"])
