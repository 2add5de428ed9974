"""A text of simple sentences for small language models, written by a seeded program.

``the small bird sees two red houses. `` and so on: letters make words of a short list, a verb
agrees in number with a subject that stands several words before it, so that there is something to
learn at every distance. The same bytes everywhere.
"""

import string

import torch
from torch import Tensor

from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.draws import Draws

ALPHABET = f" .{string.ascii_lowercase}"
"""Character k is token k."""
LENGTH = 32
"""Characters of a sample."""
TRAIN, TEST = 1536, 384
"""Samples, which follow one another without a gap."""

_NUMBERS = (("the", "a", "this", "every"), ("the", "two", "these", "many"))
_ADJECTIVES = ("small", "red", "old", "green", "quick", "kind", "loud", "grey")
_NOUNS = ("bird", "cat", "dog", "girl", "king", "robot", "tree", "house", "river", "cloud")
_VERBS = ("see", "find", "like", "know", "follow", "want", "help", "draw")
_PLACES = ("near", "behind", "above", "without")


def sentences() -> DataSet:
    """1,536 texts of 32 characters and 384 of another seed to test on; labels are what follows.

    Tokens are the positions of characters in :data:`ALPHABET`; each has the next one for its class.
    """
    train, test = (_windows(text(seed, count), count) for seed, count in ((0, TRAIN), (1, TEST)))
    size = len(ALPHABET)
    return DataSet(*train, *test, classes=size, vocabulary=size)


def text(seed: int, windows: int) -> str:
    """Sentences of at least so many windows, and one character more.

    Args:
        seed: Seed of the program.
        windows: Samples that are cut from it.
    """
    draws = Draws(seed)
    # No sentence is shorter than a fifth of a window.
    choices = draws.whole((5 * windows, 10), 0, 2**15).tolist()
    found = "".join(f"{_sentence(choice)}. " for choice in choices)
    return found[: windows * LENGTH + 1]


def _sentence(choice: list[int]) -> str:
    subject, many = _phrase(choice[:4])
    verb = _VERBS[choice[4] % len(_VERBS)] + ("" if many else "s")
    place, thing = choice[5] % (2 * len(_PLACES)), _phrase(choice[6:])[0]
    # Half of the sentences say where, the others what.
    where = _PLACES[place] if place < len(_PLACES) else ""
    return " ".join(word for word in (subject, verb, where, thing) if word)


def _phrase(choice: list[int]) -> tuple[str, int]:
    """A noun with what stands before it, and whether it is of several."""
    many = choice[0] % 2
    determiner = _NUMBERS[many][choice[1] % 4]
    adjective = _ADJECTIVES[choice[2] % 8] if choice[2] % 16 < 8 else ""
    noun = _NOUNS[choice[3] % len(_NOUNS)] + "s" * many
    return " ".join(word for word in (determiner, adjective, noun) if word), many


def _windows(letters: str, count: int) -> tuple[Tensor, Tensor]:
    """Texts, and for each of their characters the next one."""
    tokens = torch.tensor([ALPHABET.index(letter) for letter in letters])
    return tokens[:-1].view(count, LENGTH).clone(), tokens[1:].view(count, LENGTH).clone()
