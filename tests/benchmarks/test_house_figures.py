"""The figures of the house: what they count, and what they may not fall below."""

from textwrap import dedent

from benchmarks.house import (
    PACKAGES,
    circles,
    contributions,
    measure,
    repeated_lines,
    share,
    statements,
)
from tests.contributions import CHANGES


def test_statements_are_what_is_done() -> None:
    text = dedent(
        """
        '''A module.'''
        import os
        from os import (
            path,
        )

        # A comment.
        def f():
            '''A function
            of two lines.'''
            return path  # why
        """
    )
    assert statements(text) == ["def f():", "return path  # why"]


def test_repeated_lines_are_those_in_windows_that_occur_again() -> None:
    numbers = [f"x{k} = {k}" for k in range(20)]
    first = "\n".join(numbers[:10])
    assert repeated_lines([first, "\n".join(numbers[10:])], 3) == 0
    # Four lines in a row again, indented in the other file; two elsewhere are too few.
    indented = "if y:\n    " + "\n    ".join(numbers[2:6])
    assert repeated_lines([first, indented, "\n".join(numbers[8:10])], 3) == 8
    assert repeated_lines([first, indented], 5) == 0
    assert repeated_lines(["\n".join(["z = 1"] * 4)], 3) == 4


def test_a_test_counts_for_the_packages_that_it_imports() -> None:
    text = dedent(
        """
        import json

        import gridstab.grids
        from gnncore.storage import StorageError

        def test_it() -> None:
            from gnncore import storage
            from gnncore_like import other
        """
    )
    assert share(text, "gnncore") == 2 / 3
    assert share(text, "gridstab") == 1 / 3
    assert share(text, "graphwsl") == share("import json", "graphwsl") == 0


def test_the_house_stands() -> None:
    assert circles() == []
    for package in PACKAGES:
        found = measure(package)
        assert 40 <= found["median file"] <= 150
        assert found["lines of tests over lines"] > 0.55
    assert contributions().keys() == CHANGES.keys()
    assert max(one["lines"] for one in contributions().values()) < 40
