"""Options that list names or numbers with commas; a wrong one ends in one line."""

from collections.abc import Iterable

import typer


def names_of(text: str, known: Iterable[str], what: str) -> list[str]:
    """The names, all of them known.

    Raises:
        BadParameter: One is not.
    """
    names = text.split(",")
    require_known(names, known, what)
    return names


def require_known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """Nothing, if all the names are known.

    Raises:
        BadParameter: One is not.
    """
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise typer.BadParameter(f"there is no {what} {unknown[0]!r}, only {', '.join(known)}")


def require_zoos(zoos: str, *parts: str) -> None:
    """Nothing, if every part is of a zoo that is listed; said before any zoo is trained.

    Args:
        zoos: Names, or ``name=folder``, with commas.
        *parts: Names with what is asked of them, as ``name:width=32`` or ``name=10``, with commas.

    Raises:
        BadParameter: One is of a zoo that is not listed.
    """
    known = [part.partition("=")[0] for part in zoos.split(",") if part]
    for text in parts:
        named = [part.partition(":")[0].partition("=")[0] for part in text.split(",") if part]
        require_known(named, known, "zoo")


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


def numbers_of(text: str, what: str) -> list[int]:
    """Whole numbers that are not negative; none of an empty text.

    Raises:
        BadParameter: One is not.
    """
    words = [word for word in text.split(",") if word]
    for word in words:
        if not (word.isascii() and word.isdigit()):
            raise typer.BadParameter(f"{what} must be whole numbers, got {word!r}")
    return [int(word) for word in words]


def shares_of(text: str, what: str) -> list[float]:
    """Numbers between 0 and 1.

    Raises:
        BadParameter: One is not.
    """
    try:
        shares = [float(word) for word in text.split(",")]
    except ValueError:
        shares = []
    if not shares or not all(0 < share < 1 for share in shares):
        raise typer.BadParameter(f"{what} lie between 0 and 1, got {text!r}")
    return shares


def rates_of(text: str) -> list[float]:
    """Learning rates.

    Raises:
        BadParameter: One is not positive.
    """
    return shares_of(text, "learning rates")
