"""What is asked of a generator on the command line: properties, and which networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from graphwsl.cli.options import LISTED, settings_of

if TYPE_CHECKING:
    from graphwsl.generators.generator import Generator
    from graphwsl.populations import Function, Population

NETWORK = "--network"


def condition_asked(made: "Generator", given: list[str], count: int) -> dict[str, Any] | None:
    """The properties that are asked for; None for none.

    Args:
        made: The generator.
        given: A name, an equals sign and a value each.
        count: How many networks are made.

    Raises:
        GeneratorError: A property that was not learnt, or a value that it cannot have.
    """
    import torch

    asked = settings_of(given, "--condition", "test_accuracy=0.9") or None
    made.conditions.asked(asked, count, torch.Generator())
    return asked


def networks_asked(
    made: "Generator", folder: Path, given: list[str]
) -> "Mapping[str, Any] | Function | None":
    """Which networks are made, as generators take it; None for the only ones that were learnt from.

    Args:
        made: The generator.
        folder: Its folder, for messages.
        given: Generating factors as ``width=32``, or one network as ``module:factory`` or an ONNX
            file.

    Raises:
        GeneratorError: Nothing is given, and networks of several functions were learnt from, or of
            one that the folder does not hold.
    """
    references = [text for text in given if _is_network(text)]
    if references:
        from graphwsl.populations.loading import function_named

        if len(given) > 1:
            raise typer.BadParameter(
                f"{NETWORK} {references[0]} says all of a network, got {len(given) - 1} more of "
                f"{NETWORK}; leave them out"
            )
        return function_named(references[0])
    if factors := settings_of(given, NETWORK, "width=32 or module:factory"):
        return factors
    _require_one(made, folder)
    return None


def of_function(
    function: "Function",
    train: "Population",
    held_out: "Population",
    zoo: Path,
    given: Sequence[str] = (),
) -> tuple["Population", "Population"]:
    """Networks of a zoo that do what some function does.

    Args:
        function: The function.
        train: Networks of the zoo that were learnt from.
        held_out: Others.
        zoo: Its folder, for messages.
        given: How networks are asked for, for messages.

    Raises:
        GeneratorError: There are none in one of the two.
    """
    from graphwsl.errors import GeneratorError
    from graphwsl.generators.aligned_zoo import doing

    parts = doing(function, train), doing(function, held_out)
    if not all(map(len, parts)):
        architecture = function.architecture
        such = f"of {architecture.name!r} with {architecture.num_entries:,} numbers"
        such = f"as {NETWORK} {f' {NETWORK} '.join(given)} asks for" if given else such
        raise GeneratorError(
            f"{str(zoo)!r} has {len(parts[0]):,} networks that were learnt from and "
            f"{len(parts[1]):,} others {such}, and networks are judged beside such; ask for some "
            "that it has, or give another zoo"
        )
    return parts


def _is_network(text: str) -> bool:
    return "=" not in text and (":" in text or text.endswith(".onnx"))


def _require_one(made: "Generator", folder: Path) -> None:
    """Refuse a generator of several functions, or of functions that its folder does not hold."""
    from graphwsl.errors import GeneratorError

    functions = made.functions
    if not functions:
        raise GeneratorError(
            f"{str(folder)!r} does not hold the code of the networks that were learnt from; name "
            f"them by {NETWORK} module:factory"
        )
    number = len({function.program for function in functions})
    if number > 1:
        raise GeneratorError(
            f"networks of {number} kinds were learnt from; say which is meant by "
            f"{_choices(made.factors) or f'{NETWORK} module:factory'}"
        )


def _choices(known: Sequence[Mapping[str, Any]]) -> str:
    """Options that tell generating factors apart."""
    names = {name for own in known for name in own}
    differing = [name for name in sorted(names) if len({own.get(name) for own in known}) > 1]
    options = [
        " ".join(f"{NETWORK} {name}={own[name]}" for name in differing if name in own)
        for own in known
    ]
    more = f" or {len(options) - LISTED:,} others" if len(options) > LISTED else ""
    return f"{', or '.join(filter(None, options[:LISTED]))}{more}"
