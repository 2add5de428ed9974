"""What names from files can do to a terminal: nothing."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnncore.command_line import output


@given(st.text(max_size=300), st.integers(1, 250))
def test_any_text_becomes_one_printable_line_of_bounded_length(text: str, longest: int) -> None:
    shown = output.printable(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest
    shown.encode()
    if text.isprintable() and len(text) <= longest:
        assert shown == text


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "a\rb", "a\nb", "\ud800", "a\0b", "\u202e"])
def test_what_a_terminal_would_obey_is_replaced(text: str) -> None:
    assert "\N{REPLACEMENT CHARACTER}" in output.printable(text)


def test_square_brackets_and_colons_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.table import Table

    console = output.console()
    console.file = io.StringIO()
    table = Table("[/red]")
    table.add_row(output.cell("[bold]x[/red] :smile:"))
    console.print(table)
    assert "[bold]x[/red] :smile:" in console.file.getvalue()
