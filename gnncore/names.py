"""Names that nobody knows, and the known one that was probably meant."""

from collections.abc import Iterable
from difflib import get_close_matches

_LEAST_SIMILARITY = 0.7
_LONGEST = 80


def unknown(
    what: str,
    name: object,
    known: Iterable[str],
    listing: str = "choose one of",
    *,
    within: str = "",
    more: str = "",
) -> str:
    """The message that a name is unknown, in one line, with the nearest of the known ones.

    >>> unknown("engine", "natve", ["native", "julia"])
    "unknown engine 'natve', did you mean 'native'? Choose one of native, julia"
    >>> unknown("engine", "x", ["native", "julia"], "the engines are")
    "unknown engine 'x'; the engines are native, julia"

    Args:
        what: What should have this name.
        name: As the caller gave it.
        known: The names that there are, in the order in which to list them.
        listing: The words before the list.
        within: What comes before all of these names, as ``crust.``.
        more: What follows the list.
    """
    names = list(known)
    shown = repr(within + name[:_LONGEST]) if isinstance(name, str) else repr(name)[:_LONGEST]
    meant = nearest(name, names) if isinstance(name, str) else None
    if meant is None:
        return f"unknown {what} {shown}; {listing} {', '.join(names) or 'none'}{more}"
    suggestion = f"did you mean {within + meant!r}?"
    listing = listing[:1].upper() + listing[1:]
    return f"unknown {what} {shown}, {suggestion} {listing} {', '.join(names)}{more}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like one that is not, if any looks like it at all."""
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    found = get_close_matches(name[:_LONGEST].lower(), by_lower_case, n=1, cutoff=_LEAST_SIMILARITY)
    return by_lower_case[found[0]] if found else None
