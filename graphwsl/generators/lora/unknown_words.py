"""Words that are not understood: what a prompt says besides them still counts.

A word that no training prompt has tells nothing of its task, whatever vector it gets, and makes
what stands around it doubtful: who knows *rotate to the right* does not know *rotate to the left*.
What is left of such a prompt is looked up among those that were learnt from, by the words that they
share, each the more the fewer tasks have it (Spärck Jones, 1972).
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

from graphwsl import arguments

AROUND = 3
"""Words before and after an unknown one that are doubtful."""

_WORD = re.compile(r"\w+|[^\w\s]")


def split_words(prompt: str) -> list[str]:
    """Words and numbers of a text in lower case; signs are words of their own.

    Args:
        prompt: The text.
    """
    # A letter and its accent may be written as one character or as two.
    return _WORD.findall(unicodedata.normalize("NFC", prompt.lower()))


def has_words(text: str) -> bool:
    """Whether there is a letter or figure in a text, and not signs alone.

    Args:
        text: The text.
    """
    return any(letter.isalnum() for letter in text)


def known_words(texts: Iterable[str]) -> frozenset[str]:
    """All words of texts.

    Args:
        texts: The texts.
    """
    return frozenset(word for text in texts for word in split_words(text))


def understood(prompt: str, words: Collection[str], around: int = AROUND) -> list[str]:
    """The known words of a prompt that no unknown word is near.

    Args:
        prompt: The text, of one line.
        words: Known words, in lower case.
        around: Words before and after an unknown one that are doubtful.

    >>> understood("Rotate left, then add three.", ["rotate", ",", "then", "add", "three", "."], 1)
    ['then', 'add', 'three', '.']
    """
    found = split_words(prompt)
    known = [word in words for word in found]
    return [word for n, word in enumerate(found) if all(known[max(0, n - around) : n + around + 1])]


class KnownTexts:
    """Texts that were learnt from.

    Args:
        texts: One for each task, with a prompt a line.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(dict.fromkeys(texts))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of them."""
        return known_words(self.texts)

    @cached_property
    def _bags(self) -> list[frozenset[str]]:
        return [known_words([text]) for text in self.texts]

    @cached_property
    def _weight(self) -> dict[str, float]:
        """How much the words tell: the logarithm of one over the share of texts that have them."""
        tasks = Counter(word for bag in self._bags for word in bag)
        return {word: math.log(len(self.texts) / count) for word, count in tasks.items()}

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Words of texts that are not known, in their order, each once.

        Args:
            texts: The texts.
        """
        words = dict.fromkeys(word for text in texts for word in split_words(text))
        return [word for word in words if word not in self.words]

    def knows(self, text: str) -> bool:
        """Whether all words of a text are known.

        Args:
            text: The text.
        """
        return not self.unknown([text])

    def nearest(self, text: str, count: int) -> list[int]:
        """Numbers of the known texts nearest to what is understood of another; all if nothing is.

        Args:
            text: The text.
            count: How many.

        Raises:
            InvalidArgumentError: ``count`` is below one.
        """
        arguments.whole("count", count, 1)
        lines = text.splitlines()
        bag = frozenset(word for line in lines for word in understood(line, self.words))
        if not self._length(bag):
            return [*range(len(self.texts))]
        likeness = [self._likeness(bag, own) for own in self._bags]
        return sorted(range(len(likeness)), key=lambda n: -likeness[n])[:count]

    def _length(self, bag: frozenset[str]) -> float:
        return math.sqrt(math.fsum(self._weight[word] ** 2 for word in bag))

    def _likeness(self, one: frozenset[str], other: frozenset[str]) -> float:
        """The cosine."""
        shared = math.fsum(self._weight[word] ** 2 for word in one & other)
        return shared / (self._length(one) * self._length(other) or 1.0)
