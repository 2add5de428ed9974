"""Registries: found by name with the nearest suggested, never two things of one name."""

from functools import partial

import pytest

from gnncore.registry import Registry


class ShelfError(Exception):
    """A tool that is not there, or one too many."""


def saw() -> str:
    return "cut"


def tools() -> Registry:
    return Registry("tool", ShelfError, {"saw": saw}, more=", or bring your own")


def test_it_is_a_dictionary_in_the_order_of_registration() -> None:
    shelf = tools()
    shelf.add("axe", len)
    assert isinstance(shelf, dict)
    assert list(shelf) == ["saw", "axe"]
    assert shelf.find("saw") is shelf["saw"] is saw
    del shelf["saw"]
    with pytest.raises(KeyError):
        shelf["saw"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("drill", "unknown tool 'drill'; choose one of saw, or bring your own"),
        ("Saw", "unknown tool 'Saw', did you mean 'saw'? Choose one of saw, or bring your own"),
        (None, "unknown tool None; choose one of saw, or bring your own"),
        (["saw"], "unknown tool ['saw']; choose one of saw, or bring your own"),
    ],
)
def test_an_unknown_name_is_one_line_with_the_known_ones(name: object, message: str) -> None:
    with pytest.raises(ShelfError) as caught:
        tools().find(name)
    assert str(caught.value) == message


def test_a_name_is_given_once() -> None:
    shelf = tools()
    with pytest.raises(ShelfError, match=r"tool 'saw' is already .*\.saw; choose another name"):

        @shelf.register("saw")
        def other() -> None: ...

    assert shelf["saw"] is saw


def test_the_same_definition_may_come_again() -> None:
    shelf = tools()

    def define() -> object:
        @shelf.register("axe")
        def axe() -> None: ...

        return axe

    first, second = define(), define()
    assert first is not second
    assert shelf["axe"] is second
    assert shelf.register("saw")(saw) is saw


def test_equal_values_are_the_same_and_others_are_not() -> None:
    shelf: Registry[float] = Registry("size", ShelfError)
    shelf.add("small", 1.0)
    shelf.add("small", 1.0)
    with pytest.raises(ShelfError, match=r"size 'small' is already 1\.0"):
        shelf.add("small", 2.0)


def test_partial_functions_and_factories_are_placed_by_what_defines_them() -> None:
    shelf: Registry[object] = Registry("tool", ShelfError)
    shelf.add("one", object(), defined=partial(saw))
    shelf.add("one", object(), defined=saw)
    with pytest.raises(ShelfError, match=r"already .*\.saw"):
        shelf.add("one", object(), defined=tools)


def test_what_was_assigned_is_not_overwritten_by_registering() -> None:
    shelf = tools()
    shelf["axe"] = saw
    with pytest.raises(ShelfError, match=r"'axe' is already .*\.saw"):
        shelf.add("axe", tools)
