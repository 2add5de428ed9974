"""How every benchmark is run: a wrong option ends in one line and exit code 2.

if __name__ == "__main__":
    run_benchmark(main)
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from gnncore.command_line.program import run_alone
from graphwsl.errors import GraphwslError
from gridstab.errors import GridstabError


def run_benchmark(main: Callable[..., None], args: Sequence[str] | None = None) -> None:
    """Run the function of a benchmark with the options of the command line, and exit.

    Args:
        main: The function, whose parameters are the options.
        args: What the user typed, unless it is what this process was started with.
    """
    name = Path(main.__code__.co_filename).stem
    run_alone(name, main, user_error=(GridstabError, GraphwslError), args=args)
