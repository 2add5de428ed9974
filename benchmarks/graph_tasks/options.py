"""Options that list names or numbers with commas; a wrong one ends in one line."""

from collections.abc import Iterable

import typer


def names_of(text: str, known: Iterable[str], what: str) -> list[str]:
    """The names, all of them known.

    Raises:
        BadParameter: One is not.
    """
    names = text.split(",")
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise typer.BadParameter(f"there is no {what} {unknown[0]!r}, only {', '.join(known)}")
    return names


def counts_of(text: str, most: int, what: str) -> list[int]:
    """Whole numbers from 1 to ``most``.

    Raises:
        BadParameter: One is not.
    """
    words = text.split(",")
    for word in words:
        if not (word.isascii() and word.isdigit() and 1 <= int(word) <= most):
            raise typer.BadParameter(f"{what} must be whole numbers from 1 to {most}, got {word!r}")
    return [int(word) for word in words]


def rates_of(text: str) -> list[float]:
    """Learning rates.

    Raises:
        BadParameter: One is not positive.
    """
    try:
        rates = [float(word) for word in text.split(",")]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < 1 for rate in rates):
        raise typer.BadParameter(f"learning rates lie between 0 and 1, got {text!r}")
    return rates
