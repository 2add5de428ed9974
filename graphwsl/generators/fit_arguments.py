"""Arguments of a fit that another method takes are refused in words."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from graphwsl.errors import GeneratorError

Fit = TypeVar("Fit", bound=Callable[..., Any])


def with_arguments_of_its_own(fit: Fit) -> Fit:
    """The fit, which says which methods take an argument that it does not take.

    Args:
        fit: The fit of a generator.
    """
    known = inspect.signature(fit).parameters

    @wraps(fit)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        for name in kwargs:
            if name not in known and (takers := _takers(self, name)):
                raise GeneratorError(
                    f"{self.name!r} takes no {name}, which is of {', '.join(takers)}; leave it "
                    "out, or choose another method"
                )
        return fit(self, *args, **kwargs)

    return cast(Fit, checked)


def _takers(learner: object, argument: str) -> list[str]:
    """Names of the methods whose fit has an argument."""
    *_, base = [kind for kind in type(learner).__mro__ if "fit" in vars(kind)]
    return [
        kind.name for kind in _kinds_of(base)
        if "fit" in vars(kind) and argument in inspect.signature(kind.fit).parameters
    ]  # fmt: skip


def _kinds_of(base: Any) -> list[Any]:
    """All classes that derive from one, however far."""
    return [one for kind in base.__subclasses__() for one in (kind, *_kinds_of(kind))]
