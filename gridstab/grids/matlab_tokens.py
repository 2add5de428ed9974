"""Words of MATLAB and Octave text: what is a comment, a string, a transpose, a new element.

Reading is linear in the length of the text, whatever it holds.
"""

import re
from typing import NamedTuple, NoReturn

_SPACE = re.compile(r"[ \t\f\v\xa0]+")
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.(?!\.\.|[*/^'])[0-9]*)?|\.[0-9]+)(?:[eEdD][-+]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\.[*/^']|[=~!<>]=|&&|\|\||[-+*/\\^=()\[\]{},;:.<>~!&|@])"
)
_STRING = {"'": re.compile(r"'(?:[^'\n]|'')*'"), '"': re.compile(r'"(?:[^"\n]|"")*"')}
_BLOCK = re.compile(r"^[ \t]*[%#]([{}])[ \t]*$", re.M)
_PLAIN_ROW = re.compile(r"[-+.0-9eEInfNa, \t]*+(?=[;\n%#\]])")
_ROW_ENDS = re.compile(r"[; \t\n]*")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SHOWN = 60


class MatlabError(ValueError):
    """The text is malformed, or does what is not understood; the message begins with the line."""


class Token(NamedTuple):
    """A word of the text.

    Attributes:
        kind: ``number``, ``name``, ``string``, ``operator``, ``newline`` or ``end``.
        text: As written.
        start: Position of its first character.
        spaced: Whether blanks, a comment or a continuation stand before it.
    """

    kind: str
    text: str
    start: int
    spaced: bool


_NEWLINE = Token("newline", "\n", 0, False)


class Tokens:
    """The words of a text, one after the other.

    Blanks separate elements inside brackets and nowhere else, and a quote transposes or begins a
    string by what stands before it; so the open brackets and the last word are kept.
    """

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.opened: list[tuple[str, int]] = []
        self.at = 0
        self.last = _NEWLINE
        self._ahead: Token | None = None

    def peek(self) -> Token:
        """The next word, which stays."""
        if self._ahead is None:
            self._ahead = self._read()
        return self._ahead

    def next(self) -> Token:
        """Take the next word of the text.

        Raises:
            MatlabError: A bracket closes what is not open, or the text ends inside brackets.
        """
        token = self.peek()
        self._ahead, self.last = None, token
        if token.kind == "operator" and token.text in "([{":
            self.opened.append((token.text, token.start))
        elif token.kind == "operator" and token.text in ")]}":
            if not self.opened or _CLOSING[self.opened[-1][0]] != token.text:
                self.refuse(token.start, f"{token.text!r} closes what is not open")
            self.opened.pop()
        elif token.kind == "end" and self.opened:
            bracket, start = self.opened[-1]
            self.refuse(start, f"{bracket!r} is never closed")
        return token

    def accept(self, *texts: str) -> bool:
        """Take the next word if it is one of these operators."""
        token = self.peek()
        if token.kind == "operator" and token.text in texts:
            self.next()
            return True
        return False

    def plain_row(self) -> list[float] | None:
        """The next row of a matrix if it is numbers that stand alone, otherwise None.

        Only between rows. It says nothing new: what it takes, the words would give as well. But
        tables of a million numbers come as plain rows, and words are slow.
        """
        if self._ahead is not None:
            return None
        self._pass(_ROW_ENDS)
        match = _PLAIN_ROW.match(self.text, self.at)
        if match is None:
            return None
        parts = [part.split() for part in match[0].split(",")]
        if len(parts) > 1 and not parts[-1]:
            parts.pop()
        if not all(parts):
            return None
        try:
            row = [number for part in parts for number in map(float, part)]
        except ValueError:
            return None
        self.at = match.end()
        self._pass(_ROW_ENDS)
        return row

    def _pass(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None and match.end() > self.at:
            self.at = match.end()
            self.last = _NEWLINE

    def refuse(self, start: int, why: str) -> NoReturn:
        """Raise an error about the word that begins at ``start``."""
        raise MatlabError(f"line {self.text.count(chr(10), 0, start) + 1}: {why}")

    def refuse_line(self, start: int, why: str) -> NoReturn:
        """Raise an error that quotes the line of the word that begins at ``start``."""
        begin = self.text.rfind("\n", 0, start) + 1
        stop = self.text.find("\n", start)
        line = " ".join(self.text[begin : stop if stop >= 0 else None][:1000].split())
        shown = "".join(letter if letter.isprintable() else "?" for letter in line)
        if len(shown) > _SHOWN:
            shown = f"{shown[:_SHOWN]} …"
        self.refuse(start, f"{shown.rstrip(';')} {why}")

    def _read(self) -> Token:
        spaced = self._skip_blanks()
        start = self.at
        if start >= len(self.text):
            return Token("end", "", start, spaced)
        first = self.text[start]
        if first == "\n":
            self.at += 1
            return Token("newline", "\n", start, spaced)
        if first == "'" and self._transposes(spaced):
            self.at += 1
            return Token("operator", "'", start, spaced)
        if first in _STRING:
            match = _STRING[first].match(self.text, start)
            if match is None:
                self.refuse_line(start, "has a text that is not closed")
            self.at = match.end()
            return Token("string", match[0], start, spaced)
        match = _TOKEN.match(self.text, start)
        if match is None:
            self.refuse_line(start, f"has an unexpected {first!r}")
        self.at = match.end()
        kind = str(match.lastgroup)
        if kind == "number" and re.match(r"[A-Za-z0-9_]|\.[0-9]", self.text[self.at : self.at + 2]):
            self.refuse_line(start, f"has {match[0][:20]!r} run into what follows")
        return Token(kind, match[0], start, spaced)

    def _transposes(self, spaced: bool) -> bool:
        if spaced and self.opened and self.opened[-1][0] in "[{":
            return False
        last = self.last
        return last.kind in ("number", "name", "string") or last.text in (")", "]", "}", "'", ".'")

    def _skip_blanks(self) -> bool:
        """Move past blanks, comments and continuations; whether there were any."""
        begin = self.at
        while True:
            space = _SPACE.match(self.text, self.at)
            if space is not None:
                self.at = space.end()
            if self.text.startswith("...", self.at):
                self.at = self._after_line()
            elif self.text[self.at : self.at + 1] in ("%", "#"):
                self._skip_comment()
            elif space is None:
                return self.at > begin

    def _after_line(self) -> int:
        stop = self.text.find("\n", self.at)
        return len(self.text) if stop < 0 else stop + 1

    def _skip_comment(self) -> None:
        start = self.at
        line = self.text.rfind("\n", 0, start) + 1
        block = _BLOCK.match(self.text, line)
        if block is None or block[1] != "{":
            self.at = self._after_line()
            if self.text[self.at - 1] == "\n":
                self.at -= 1
            return
        depth = 0
        for block in _BLOCK.finditer(self.text, line):
            depth += 1 if block[1] == "{" else -1
            if depth == 0:
                self.at = block.end()
                return
        self.refuse(start, "the block comment that begins here is never closed")
