"""Methods that change an object as a whole or, when they fail, not at all."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


def all_or_nothing(method: Method) -> Method:
    """The method, after whose failure its object has the attributes that it had before.

    An interruption is a failure too. Attributes are taken as they are: what the method changes must
    be set anew, not written into.

    Args:
        method: A method that sets attributes.
    """

    @wraps(method)
    def whole(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return cast(Method, whole)
