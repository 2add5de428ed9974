"""The arithmetic that MATPOWER's own cases write: of numbers, and columns of tables times numbers.

Everything else is refused; nothing is guessed.
"""

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from jaxtyping import Float

from gridstab.grids.matlab_tokens import Token, Tokens

Table = Float[np.ndarray, "rows columns"]
Value = np.float64 | Table

_CONSTANTS = {
    "Inf": np.inf,
    "inf": np.inf,
    "NaN": np.nan,
    "nan": np.nan,
    "pi": np.pi,
}
_FUNCTIONS = {
    name: getattr(np, numpy_name)
    for name, numpy_name in (
        ("abs", "abs"),
        ("acos", "arccos"),
        ("asin", "arcsin"),
        ("atan", "arctan"),
        ("cos", "cos"),
        ("exp", "exp"),
        ("log", "log"),
        ("sin", "sin"),
        ("sqrt", "sqrt"),
        ("tan", "tan"),
    )
}
_COMPUTES = (
    "computes; statements are not executed: write the values into the tables, "
    "or save the case from MATPOWER with savecase"
)
_DEEPEST = 50


class Expressions:
    """A reader of expressions.

    Args:
        tokens: Where they are read from.
        numbers: The variables so far.
        tables: The fields of the case so far; ``baseMVA`` has one entry.
        case: What the case is called.
    """

    def __init__(
        self,
        tokens: Tokens,
        numbers: Mapping[str, np.float64],
        tables: Mapping[str, Table],
        case: str = "mpc",
    ) -> None:
        self.tokens = tokens
        self.numbers = numbers
        self.tables = tables
        self.case = case
        self._depth = 0

    def value(self) -> Value:
        """A number, or columns of a table.

        Raises:
            MatlabError: The expression is malformed or not understood.
        """
        return self._sum()

    def number(self) -> np.float64:
        """Read an expression that is a number.

        Raises:
            MatlabError: The expression is malformed, not understood, or no number.
        """
        start = self.tokens.peek()
        value = self.value()
        if isinstance(value, np.ndarray):
            self.refuse(start)
        return value

    def row(self) -> list[float]:
        """The elements of a row in brackets, up to what ends the row.

        Blanks separate elements, unless an operator stands between or after them: ``1 -2`` are
        two numbers, ``1 - 2`` is one.
        """
        elements = [float(self.number())]
        while True:
            token = self.tokens.peek()
            if token.kind == "newline" or token.text in (";", "]"):
                return elements
            if self.tokens.accept(","):
                token = self.tokens.peek()
                if token.kind == "newline" or token.text in (";", "]"):
                    return elements
            elif not token.spaced:
                self.refuse(token)
            elements.append(float(self.number()))

    def columns(self, table: Table | None) -> list[int] | None:
        """``:, columns)`` after a table and its ``(``: the columns, from 0; None if it is not so.

        Raises:
            MatlabError: The table has no such column.
        """
        tokens = self.tokens
        if not (tokens.accept(":") and tokens.accept(",")):
            return None
        start = tokens.peek()
        if tokens.accept("["):
            wanted = self.row()
            if not tokens.accept("]"):
                return None
        else:
            wanted = [float(self.number())]
        if not tokens.accept(")"):
            return None
        return [
            self._index(start, column, 0 if table is None else table.shape[1]) for column in wanted
        ]

    def refuse(self, token: Token) -> NoReturn:
        """Raise an error that says that the line of a word computes."""
        self.tokens.refuse_line(token.start, _COMPUTES)

    def _sum(self) -> Value:
        self._depth += 1
        if self._depth > _DEEPEST:
            start = self.tokens.peek().start
            self.tokens.refuse_line(start, f"has more than {_DEEPEST} nested parentheses")
        left = self._product()
        while True:
            token = self.tokens.peek()
            if token.text not in ("+", "-") or self._begins_element(token):
                self._depth -= 1
                return left
            self.tokens.next()
            right = self._product()
            if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
                self.refuse(token)
            left = left + right if token.text == "+" else left - right

    def _product(self) -> Value:
        left = self._signed()
        while True:
            token = self.tokens.peek()
            if token.text not in ("*", "/", ".*", "./"):
                return left
            self.tokens.next()
            right = self._signed()
            divides = token.text in ("/", "./")
            if isinstance(right, np.ndarray) and (divides or isinstance(left, np.ndarray)):
                self.refuse(token)
            left = left / right if divides else left * right

    def _signed(self) -> Value:
        negative = False
        while True:
            token = self.tokens.peek()
            if not self.tokens.accept("+", "-"):
                break
            negative ^= token.text == "-"
        value = self._power()
        return -value if negative else value

    def _power(self) -> Value:
        left = self._operand()
        while True:
            token = self.tokens.peek()
            if not self.tokens.accept("^", ".^"):
                return left
            negative = self.tokens.accept("-")
            right = self._operand()
            if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
                self.refuse(token)
            left = np.power(left, -right if negative else right)

    def _operand(self) -> Value:
        token = self.tokens.next()
        if token.kind == "number":
            return np.float64(token.text.replace("d", "e").replace("D", "e"))
        if token.text == "(":
            return self._inside(token)
        if token.kind != "name":
            self.tokens.refuse_line(token.start, "has no number where one is needed")
        if token.text in self.numbers:
            return self.numbers[token.text]
        if token.text == self.case and self.tokens.accept("."):
            return self._of_the_case(token)
        if token.text in _CONSTANTS:
            return np.float64(_CONSTANTS[token.text])
        if token.text not in _FUNCTIONS or not self.tokens.accept("("):
            self.refuse(token)
        argument = self._inside(token)
        if isinstance(argument, np.ndarray):
            self.refuse(token)
        return np.float64(_FUNCTIONS[token.text](argument))

    def _inside(self, start: Token) -> Value:
        """What stands in parentheses, the first of which is read already."""
        value = self._sum()
        if not self.tokens.accept(")"):
            self.refuse(start)
        return value

    def _of_the_case(self, start: Token) -> Value:
        """``mpc.baseMVA``, ``mpc.bus(:, PD)`` or ``mpc.bus(1, BASE_KV)``, after the point."""
        name = self.tokens.next().text
        table = self.tables.get(name)
        if table is None:
            self.refuse(start)
        if table.size == 1 and name == "baseMVA":
            return np.float64(table[0, 0])
        following = self.tokens.peek()
        if following.text != "(" or (following.spaced and self._in_brackets()):
            self.refuse(start)
        self.tokens.next()
        if self.tokens.peek().text == ":":
            columns = self.columns(table)
            if columns is None:
                self.refuse(start)
            return table[:, columns]
        row = self._index(start, self.number(), len(table))
        if not self.tokens.accept(","):
            self.refuse(start)
        column = self._index(start, self.number(), table.shape[1])
        if not self.tokens.accept(")"):
            self.refuse(start)
        return np.float64(table[row, column])

    def _index(self, start: Token, number: float, count: int) -> int:
        if not (1 <= number <= count and number == int(number)):
            self.tokens.refuse_line(
                start.start, f"names entry {number:g} of {count} rows or columns so far"
            )
        return int(number) - 1

    def _in_brackets(self) -> bool:
        return bool(self.tokens.opened) and self.tokens.opened[-1][0] in "[{"

    def _begins_element(self, sign: Token) -> bool:
        """Whether a sign belongs to the next element of a row and is no operator."""
        if not (self._in_brackets() and sign.spaced):
            return False
        behind = self.tokens.text[sign.start + 1 : sign.start + 2]
        return behind not in (" ", "\t", "\n", "")
