"""Is the digit one of these? Tasks on 8 × 8 digits, each a signal described in words."""

import random
from itertools import combinations

import torch

from graphwsl.zoo.data_set import DataSet

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ODD = (1, 3, 5, 7, 9)
TEMPLATES = (
    "is the digit one of {}?",
    "does the image show {}?",
    "accept {} and nothing else.",
    "tell {} from the rest.",
    "the positive class is {}.",
    "mark every {}.",
)


def subsets() -> list[tuple[int, ...]]:
    """Subsets of three to seven digits in a drawn order, after the odd ones, which come first."""
    drawn = [some for size in range(3, 8) for some in combinations(range(10), size) if some != ODD]
    random.Random(0).shuffle(drawn)
    return [ODD, *drawn]


def described(subset: tuple[int, ...]) -> str:
    """Prompts that say which digits are meant, one a line, each with the digits in another order.

    Args:
        subset: The digits.
    """
    drawn, lines = random.Random(str(subset)), []
    for template in TEMPLATES:
        names = drawn.sample([DIGITS[digit] for digit in subset], len(subset))
        lines.append(template.format(f"{', '.join(names[:-1])} or {names[-1]}"))
    return "\n".join(lines)


def digit_subsets(digits: DataSet) -> DataSet:
    """The digits with two classes, in 912 ways: signal 0 tells odd digits from even ones.

    Args:
        digits: The digits with ten classes.
    """
    known = subsets()
    is_in = torch.zeros(len(known), 10, dtype=torch.int64)
    for number, subset in enumerate(known):
        is_in[number, list(subset)] = 1
    return DataSet(
        digits.train, is_in[:, digits.train_labels], digits.test, is_in[:, digits.test_labels],
        classes=2, signals=len(known), descriptions=tuple(map(described, known)),
    )  # fmt: skip
