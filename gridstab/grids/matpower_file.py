"""The tables of a MATPOWER file, from the statements that declare them.

A case is a MATLAB function, and people compute in it: they append rows, set single entries, scale
loads. Here nothing is executed. Tables, numbers and the conversions of units that MATPOWER's own
cases end with are understood; every other statement that could change what is read is refused by
its line.
"""

from array import array
from typing import NoReturn

import numpy as np

from gridstab.grids.matlab_expressions import Expressions, Table
from gridstab.grids.matlab_tokens import Token, Tokens

TABLES = ("bus", "gen", "branch", "dcline")

COLUMNS = {
    "idx_bus": (
        "PQ PV REF NONE BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN "
        "LAM_P LAM_Q MU_VMAX MU_VMIN",
        (1, 2, 3, 4, *range(1, 18)),
    ),
    "idx_gen": (
        "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN MU_PMAX MU_PMIN MU_QMAX MU_QMIN "
        "PC1 PC2 QC1MIN QC1MAX QC2MIN QC2MAX RAMP_AGC RAMP_10 RAMP_30 RAMP_Q APF",
        (*range(1, 11), *range(22, 26), *range(11, 22)),
    ),
    "idx_brch": (
        "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS PF QF PT QT "
        "MU_SF MU_ST ANGMIN ANGMAX MU_ANGMIN MU_ANGMAX",
        (*range(1, 12), *range(14, 20), 12, 13, 20, 21),
    ),
}
"""What MATPOWER's functions of column numbers return, and what everybody calls it."""

# Functions that can change a variable without an assignment to it.
_REACHES_OUT = {"assignin", "eval", "evalc", "evalin", "load", "run"}
_OPENS_BLOCK = {"for", "if", "parfor", "switch", "try", "unwind_protect", "while"}
_ENDS_BLOCK = {"end", *(f"end{word}" for word in _OPENS_BLOCK), "end_try_catch"}
_ENDS_FUNCTION = {"end", "endfunction", "return"}


def read_tables(text: str) -> dict[str, Table]:
    """The tables ``bus``, ``gen``, ``branch`` and ``dcline`` and ``baseMVA`` (of one entry).

    As in MATLAB, the last of several assignments counts. Fields of other names are skipped.

    Raises:
        MatlabError: The text is malformed or computes; the message begins with the line.
    """
    reader = _Reader(text)
    # A complex or undefined result is NaN, which no table may hold.
    with np.errstate(all="ignore"):
        while reader.statement():
            pass
    return reader.fields


class _Reader:
    """What the statements so far have declared."""

    def __init__(self, text: str) -> None:
        self.tokens = Tokens(text)
        self.fields: dict[str, Table] = {}
        self.numbers: dict[str, np.float64] = {}
        self.expressions = Expressions(self.tokens, self.numbers, self.fields)
        self.started = False

    def statement(self) -> bool:
        """Read one statement; whether there may be more."""
        token = self.tokens.peek()
        if token.kind == "newline" or token.text in (";", ","):
            self.tokens.next()
            return True
        if token.kind == "end" or token.text in _ENDS_FUNCTION:
            return False
        if token.text == "function":
            if self.started:
                return False
            self.header()
        elif token.text == "if":
            self.skip_dead_block()
        elif token.text == "[":
            self.name_columns()
        elif token.kind != "name":
            self.refuse(token)
        else:
            self.assignment()
        self.started = True
        return True

    def header(self) -> None:
        """``function mpc = name``; the case is called what the function returns."""
        self.tokens.next()
        bracketed = self.tokens.accept("[")
        returned = self.tokens.next()
        if bracketed and not self.tokens.accept("]"):
            self.tokens.refuse_line(
                returned.start,
                "returns several tables, as cases of version 1 do; "
                "save it from MATPOWER with savecase",
            )
        if returned.kind != "name" or not self.tokens.accept("="):
            self.tokens.refuse_line(returned.start, "is no header 'function mpc = name'")
        self.expressions.case = returned.text
        self.skip_statement()

    def skip_dead_block(self) -> None:
        """``if`` with a condition that is zero, up to its ``end``."""
        start = self.tokens.next()
        if self.expressions.number() != 0:
            self.refuse(start)
        self.end(start)
        depth = 1
        while depth:
            before, token = self.tokens.last.text, self.tokens.next()
            if token.kind == "end":
                self.tokens.refuse_line(start.start, "is never ended")
            if token.kind != "name" or self.tokens.opened or before == ".":
                continue
            if token.text in ("else", "elseif") and depth == 1:
                self.refuse(token)
            if token.text in _OPENS_BLOCK:
                depth += 1
            elif token.text in _ENDS_BLOCK:
                depth -= 1

    def name_columns(self) -> None:
        """``[PQ, PV, ...] = idx_bus``: numbers of columns, by their position."""
        start = self.tokens.next()
        names: list[str] = []
        while not self.tokens.accept("]"):
            token = self.tokens.next()
            if token.kind == "name" or token.text == "~":
                names.append(token.text)
            elif token.text != ",":
                self.refuse(start)
        source = self.tokens.next() if self.tokens.accept("=") else start
        columns = COLUMNS.get(source.text, ("", ()))[1]
        if len(names) > len(columns):
            self.refuse(start)
        self.numbers.update(
            (name, np.float64(column))
            for name, column in zip(names, columns, strict=False)
            if name != "~"
        )
        self.end(start)

    def assignment(self) -> None:
        start = self.tokens.next()
        if start.text == "define_constants":
            for names, columns in COLUMNS.values():
                self.numbers.update(zip(names.split(), map(np.float64, columns), strict=True))
            self.end(start)
        elif start.text == self.expressions.case and self.tokens.accept("."):
            name = self.tokens.next()
            if name.kind != "name":
                self.refuse(start)
            elif name.text in TABLES or name.text == "baseMVA":
                self.assign_field(start, name.text)
            else:
                self.skip_statement()
        elif start.text != self.expressions.case and self.tokens.accept("="):
            self.numbers[start.text] = self.expressions.number()
            self.end(start)
        else:
            self.refuse(start)

    def assign_field(self, start: Token, name: str) -> None:
        """A table or number as a whole, or some columns of a table times a number."""
        if name in TABLES and self.tokens.accept("("):
            columns = self.expressions.columns(self.fields.get(name))
            if columns is None or not self.tokens.accept("="):
                self.refuse(start)
            value = self.expressions.value()
            if isinstance(value, np.float64) or value.shape[1] != len(columns):
                self.refuse(start)
            table = self.fields[name].copy()
            if len(value) != len(table):
                self.refuse(start)
            table[:, columns] = value
            self.fields[name] = table
        elif not self.tokens.accept("="):
            self.refuse(start)
        elif self.tokens.peek().text == "[":
            self.fields[name] = self.matrix()
        elif name == "baseMVA":
            self.fields[name] = np.array([[self.expressions.number()]])
        else:
            self.refuse(start)
        self.end(start)

    def matrix(self) -> Table:
        """A matrix of numbers in brackets, transposed if a quote follows."""
        tokens = self.tokens
        tokens.next()
        numbers, width, rows = array("d"), 0, 0
        while True:
            start = tokens.at
            row = tokens.plain_row()
            if not row:
                token = tokens.peek()
                if token.kind == "newline" or token.text == ";":
                    tokens.next()
                    continue
                if tokens.accept("]"):
                    break
                start, row = token.start, self.expressions.row()
            if rows and len(row) != width:
                tokens.refuse(start, f"a row of {len(row)} numbers in a table of {width} columns")
            numbers.extend(row)
            width, rows = len(row), rows + 1
        matrix = (
            np.frombuffer(numbers, np.float64).reshape(rows, width) if rows else np.empty((0, 0))
        )
        return matrix.T.copy() if tokens.accept("'", ".'") else matrix.copy()

    def skip_statement(self) -> None:
        """Move to the end of a statement that cannot concern what is read."""
        tokens = self.tokens
        while True:
            token = tokens.peek()
            if token.kind == "end" or (
                not tokens.opened and (token.kind == "newline" or token.text in (";", ","))
            ):
                tokens.next()
                return
            if token.kind == "name" and token.text in _REACHES_OUT:
                self.refuse(token)
            tokens.next()
            if tokens.opened and tokens.opened[-1][0] == "[" and token.text in ("[", ";", "\n"):
                tokens.plain_row()

    def end(self, start: Token) -> None:
        """The statement must end here."""
        token = self.tokens.next()
        if token.kind not in ("newline", "end") and token.text not in (";", ","):
            self.refuse(start)

    def refuse(self, token: Token) -> NoReturn:
        self.expressions.refuse(token)
