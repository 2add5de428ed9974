"""Values of options that shells complete."""

from collections.abc import Callable


def one_of(*names: str) -> Callable[[str], list[str]]:
    """For ``autocompletion=`` of an option: those of the names that begin with what was typed.

    Where none does, the shell goes on to complete names of files.

    Args:
        *names: Values that the option knows by name, in the order in which they are offered.
    """

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete
