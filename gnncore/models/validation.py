"""Errors of pydantic in one line that says what to do."""

from collections.abc import Mapping

from pydantic import BaseModel, ValidationError

Models = Mapping[str, type[BaseModel]]


def one_line(error: ValidationError, model: type[BaseModel], parts: Models) -> str:
    """The first problem of an error, with the value that caused it.

    Args:
        error: Raised by ``model``.
        model: What was to be made.
        parts: The models within it, by their names or tags.
    """
    # A misspelt key comes first, which also explains that the right one is missing.
    first, *others = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    # Of the alternatives that a field allows, the one that came furthest was meant.
    same = [first, *(other for other in others if other["loc"][:1] == first["loc"][:1])]
    problem = max(same, key=lambda problem: len(problem["loc"]))
    where, part = _place(problem["loc"], model, parts)
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        return f"unknown key {key!r}; the keys are {', '.join(part.model_fields)}"
    if problem["type"] == "missing":
        return f"{where} is missing; set it"
    if problem["type"] == "union_tag_invalid":
        message = f"of one of the kinds {problem['ctx']['expected_tags']}"
    return f"{where} must be {message}, got {problem['input']!r}" if where else message


def _place(
    loc: tuple[int | str, ...], model: type[BaseModel], parts: Models
) -> tuple[str, type[BaseModel]]:
    """Where in the model a problem is, and the innermost model around it.

    Pydantic's own location also names the alternatives that it tried; these are left out.
    """
    where = ""
    for step in loc:
        if isinstance(step, int):
            where += f"[{step}]"
        elif step in parts:
            model = parts[step]
        elif step in model.model_fields:
            where += f".{step}"
    return where.removeprefix("."), model
