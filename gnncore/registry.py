"""Things by name: what users may ask for and add to.

>>> from gnncore.errors import SpecificationError
>>> SHAPES = Registry[type]("shape", SpecificationError)
>>> @SHAPES.register("circle")
... class Circle: ...
>>> SHAPES.find("circle").__name__, list(SHAPES)
('Circle', ['circle'])
>>> SHAPES.find("circel")
Traceback (most recent call last):
SpecificationError: unknown shape 'circel', did you mean 'circle'? Choose one of circle
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from gnncore.names import unknown

Thing = TypeVar("Thing")
Defined = TypeVar("Defined", bound=Callable[..., Any])


class Registry(dict[str, Thing], Generic[Thing]):
    """A dictionary from names to things of one kind.

    Names are found by :meth:`find`, which says what was meant, and given by :meth:`register` or
    :meth:`add`, which give none twice. Assigning to a name replaces what is there.

    Args:
        what: What the things are, in the singular, for messages.
        error_class: Raised for names that are unknown or taken.
        things: What it holds from the beginning.
        listing: Before the names in messages.
        more: After them.
    """

    def __init__(
        self,
        what: str,
        error_class: type[Exception],
        things: Mapping[str, Thing] | None = None,
        *,
        listing: str = "choose one of",
        more: str = "",
    ) -> None:
        super().__init__(things or {})
        self.what, self.error_class = what, error_class
        self.listing, self.more = listing, more
        self._definitions: dict[str, str] = {}

    def __setitem__(self, name: str, thing: Thing) -> None:
        self._definitions.pop(name, None)
        super().__setitem__(name, thing)

    def find(self, name: object) -> Thing:
        """The thing of this name.

        Raises:
            Exception: One of class ``error_class``: there is none; the names are listed.
        """
        if isinstance(name, str) and name in self:
            return self[name]
        raise self.error_class(unknown(self.what, name, self, self.listing, more=self.more))

    def add(self, name: str, thing: Thing, *, defined: object = None) -> None:
        """Give a thing a name.

        The same definition may come again, as when a cell of a notebook is run twice.

        Args:
            name: The name.
            thing: What it names.
            defined: Class or function that defines the thing, where it is not one itself.

        Raises:
            Exception: One of class ``error_class``: the name is that of another thing.
        """
        if name in self:
            there = self._definitions.get(name) or definition_of(self[name])
            if there != definition_of(defined or thing):
                raise self.error_class(
                    f"{self.what} {name!r} is already {there}; choose another name"
                )
        self[name] = thing
        self._definitions[name] = definition_of(defined or thing)

    def register(self, name: str) -> Callable[[Defined], Defined]:
        """Decorate a class or function that is the thing of this name.

        Raises:
            Exception: One of class ``error_class``: the name is taken.
        """

        def register(thing: Defined) -> Defined:
            self.add(name, thing)  # type: ignore[arg-type]
            return thing

        return register


def definition_of(thing: object) -> str:
    """Where a class or function is defined, or what a value is."""
    thing = thing.func if isinstance(thing, partial) else thing
    if isinstance(thing, type) or (callable(thing) and hasattr(thing, "__qualname__")):
        return f"{thing.__module__}.{thing.__qualname__}"
    return repr(thing)
