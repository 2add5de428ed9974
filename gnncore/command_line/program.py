"""A program of several commands, or of one, made in one call."""

from collections.abc import Callable, Sequence
from typing import Any

import typer

from gnncore.command_line.collisions import Command
from gnncore.command_line.commands import Alone, Commands


class _App(typer.Typer):
    """An application whose commands look at what they write before they begin."""

    def command(self, name: str | None = None, **options: Any) -> Any:
        return super().command(name, **{"cls": Command, **options})


def make_group(help: str) -> typer.Typer:
    """Commands below a name of their own, for ``add_typer`` of a program.

    Args:
        help: One line at the top of their help.
    """
    return _App(help=help, no_args_is_help=True, rich_markup_mode=None)


def make_program(name: str, help: str, *, user_error: type[Exception], version: str) -> typer.Typer:
    """A program without commands yet; decorate functions with its ``command()`` to add them.

    It has ``--version``, shows its help where no command is given, and turns every foreseen error
    into one line and an exit code, as :class:`~gnncore.command_line.commands.Commands` says.

    Args:
        name: What users type, and what errors begin with.
        help: One sentence at the top of the help.
        user_error: Base of the errors that the program's users cause.
        version: What ``--version`` prints after the name.
    """

    class Program(Commands):
        pass

    Program.program, Program.user_error = name, user_error
    app = _App(
        cls=Program,
        name=name,
        help=help,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    def print_version(asked: bool) -> None:
        if asked:
            typer.echo(f"{name} {version}")
            raise typer.Exit

    @app.callback()
    def options(
        version: bool = typer.Option(
            False, "--version", callback=print_version, is_eager=True, help="Print the version."
        ),
    ) -> None:
        del version

    return app


def run_alone(
    name: str,
    function: Callable[..., None],
    *,
    user_error: type[Exception] | tuple[type[Exception], ...],
    args: Sequence[str] | None = None,
) -> None:
    """Run a function as a program of its own, whose parameters are the options, and exit.

    Args:
        name: What errors begin with.
        function: The function.
        user_error: Base of the errors that the program's users cause, or several.
        args: What the user typed, unless it is what this process was started with.
    """

    class Program(Alone):
        pass

    Program.program, Program.user_error = name, user_error
    app = typer.Typer(
        name=name, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.command(cls=Program)(function)
    app(args)
