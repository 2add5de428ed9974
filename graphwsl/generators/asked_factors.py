"""Generating factors that are asked for, beside those of the networks that were learnt from."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphwsl.errors import GeneratorError, ZooError
from graphwsl.populations.population import Function
from graphwsl.zoo.architectures.registry import shapes_of
from graphwsl.zoo.checkpoint import Scalar

Factors = Mapping[str, Scalar]
LISTED = 8
"""Values of a factor that a message names."""


def completed(asked: Mapping[str, Any], known: Sequence[Factors]) -> dict[str, Any]:
    """What is asked for, with what it does not say as in the training networks that are meant.

    Args:
        asked: Generating factors.
        known: Those of the training networks.

    Returns:
        All that is asked for, and what those networks that have it share; else all networks of the
        architecture, or all.

    Raises:
        GeneratorError: These differ in what is not said.
    """
    meant = [own for own in known if _has(own, asked)]
    if not meant and "architecture" in asked:
        meant = [own for own in known if own["architecture"] == asked["architecture"]]
        if not meant:
            return {**shared(known), **asked}
    meant = meant or list(known)
    found = {**shared(meant), **asked}
    for name in [name for own in meant for name in own if name not in found]:
        raise GeneratorError(
            f"networks that were learnt from differ in {name}: {_listed(values_of(name, meant))}; "
            f"say beside {said(asked)} which {name} is meant"
        )
    return found


def shared(known: Sequence[Factors]) -> dict[str, Scalar]:
    """What all of some factors have in common.

    Args:
        known: Generating factors of several networks.
    """
    if not known:
        return {}
    first, *others = known
    return {name: value for name, value in first.items()
            if all(other.get(name) == value for other in others)}  # fmt: skip


def require_learnt(
    asked: Mapping[str, Any],
    factors: Mapping[str, Any],
    known: Sequence[Factors],
    function_of: Callable[[Factors], Function],
) -> None:
    """Refuse what would change what networks compute, but not the weights that are made.

    Args:
        asked: What is asked for.
        factors: The same, with all that it does not say.
        known: Factors of the training networks.
        function_of: Makes the function of factors.

    Raises:
        GeneratorError: An activation, say, that no training network has.
        ZooError: A factor out of its bounds.
    """
    for name in asked:
        values = values_of(name, known)
        if not values or factors[name] in values:
            continue
        alike = [value for value in values if _are_alike(factors, {**factors, name: value})]
        if alike and not any(
            function_of({**factors, name: value}).program == function_of(factors).program
            for value in alike
        ):
            raise GeneratorError(
                f"no training network has {name} {factors[name]!r}, which weights do not show, so "
                f"that those of another would be made; choose {_listed(alike)}"
            )


def beyond_training(asked: Mapping[str, Any], known: Sequence[Factors]) -> str | None:
    """What no training network has of what is asked for, in a line; None where one has it all.

    Args:
        asked: Generating factors.
        known: Those of the training networks.
    """
    if not known or any(_has(own, asked) for own in known):
        return None
    new = {name: value for name, value in asked.items() if value not in values_of(name, known)}
    return f"no training network has {said(new or asked)}"


def said(factors: Mapping[str, Any]) -> str:
    """Factors in words, as ``width 32 and depth 2``.

    Args:
        factors: Some.
    """
    return " and ".join(f"{name} {value}" for name, value in factors.items())


def values_of(name: str, known: Sequence[Factors]) -> list[Scalar | None]:
    """What networks have of a factor, each value once; None of those that do not say it.

    Args:
        name: The factor.
        known: Their factors.
    """
    return list(dict.fromkeys(own.get(name) for own in known))


def _has(own: Factors, asked: Mapping[str, Any]) -> bool:
    return all(own.get(name) == value for name, value in asked.items())


def _are_alike(factors: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether weights of the one have the shapes of those of the other."""
    shapes = shapes_of(factors)
    try:
        return shapes == shapes_of(others)
    except ZooError:  # what is learnt from may not go with the other factors
        return False


def _listed(values: Sequence[Scalar | None]) -> str:
    texts = ["none" if value is None else str(value) for value in values]
    more = f" and {len(texts) - LISTED:,} more" if len(texts) > LISTED else ""
    return f"{', '.join(texts[:LISTED])}{more}"
