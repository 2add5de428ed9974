"""Errors of pydantic in one line that says what to do."""

import re
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gnncore.names import unknown

Location = tuple[int | str, ...]

_LONGEST = 100


def one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem of an error, with the value that caused it.

    Args:
        error: Raised by ``model``.
        model: What was to be made.
    """
    # A misspelt key comes first, which also explains that the right one is missing.
    first, *others = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    # Of the alternatives that a field allows, the one that came furthest was meant.
    same = [first, *(other for other in others if other["loc"][:1] == first["loc"][:1])]
    problem = max(same, key=lambda problem: len(problem["loc"]))
    where, part = dotted_path(problem["loc"], model)
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "extra_forbidden":
        title = getattr(part, "title", "")
        title = f" of {title}" if title else ""
        word = getattr(part, "key_word", "key")
        key = str(problem["loc"][-1])
        listing, within = f"the {word}s{title} are", where.removesuffix(key)
        return unknown(word, key, part.model_fields, listing, within=within)
    if problem["type"] == "missing":
        return f"{where} is missing; set it"
    if problem["type"] == "union_tag_invalid":
        message = f"of one of the kinds {problem['ctx']['expected_tags']}"
    if problem["type"] == "value_error":  # of a validator, which speaks in sentences
        return f"{where}: {message}" if where else message
    given = repr(problem["input"])
    given = given if len(given) <= _LONGEST else f"{given[: _LONGEST - 3]}…"
    return f"{where or 'the settings'} must be {message}, got {given}"


def dotted_path(location: Location, model: type[BaseModel]) -> tuple[str, type[BaseModel]]:
    """Where in a model a problem is, as people write it, and the innermost model around it.

    Pydantic's own location also names the alternatives that it tried; these are left out.
    """
    where, part = "", model
    kinds: list[Any] = [model]
    for number, step in enumerate(location):
        models = [kind for kind in kinds if _is_model(kind)]
        named = [kind for kind in models if _is_called(kind, step)]
        holding = [kind for kind in models if step in kind.model_fields]
        is_last = number == len(location) - 1
        if isinstance(step, int):
            where += f"[{step}]"
            kinds = [own for kind in kinds for own in _items(kind)]
        elif holding:
            part = holding[0]
            where += f".{step}"
            kinds = list(_alternatives(part.model_fields[step].annotation))
        elif named:
            part, kinds = named[0], named
        elif is_last and len(models) == len(kinds) == 1:  # a key that it does not have
            part = models[0]
            where += f".{step}"
        elif len(kinds) == 1 and get_origin(kinds[0]) is dict and step != "[key]":
            where += f".{step}"
            kinds = list(_alternatives(get_args(kinds[0])[1]))
    return where.removeprefix("."), part


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_called(model: type[BaseModel], step: int | str) -> bool:
    """Whether pydantic calls a model so among alternatives: by its name, or the tag of its kind.

    The name of one with validators is ``function-after[check(), Name]``.
    """
    kinds = [field.annotation for field in model.model_fields.values()]
    tags = [tag for kind in kinds if get_origin(kind) is Literal for tag in get_args(kind)]
    return step in tags or re.search(rf"\b{model.__name__}\b", str(step)) is not None


def _alternatives(kind: Any) -> Iterator[Any]:
    """The kinds of values that an annotation allows, None apart."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in (Union, UnionType):
        for part in get_args(kind):
            yield from _alternatives(part)
    elif kind is not type(None):
        yield kind


def _items(kind: Any) -> Iterator[Any]:
    if get_origin(kind) in (tuple, list):
        for part in get_args(kind):
            if part is not Ellipsis:
                yield from _alternatives(part)
