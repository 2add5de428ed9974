"""Prompts as the condition of a generator: texts, of which new ones are understood as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.conditions import (
    Codes,
    Condition,
    Conditions,
    Names,
    listed_names,
    one_each,
    rows_of,
)
from graphwsl.generators.lora.networks import PROMPTS
from graphwsl.generators.lora.prompts import Encoded, encode_prompts
from graphwsl.generators.lora.unknown_words import KnownTexts, has_words
from graphwsl.zoo.checkpoint import Checkpoint, Scalar


@dataclass(frozen=True)
class PromptConditions(Conditions):
    """Texts with a prompt a line, each known by a number, which is the code of a network.

    Attributes:
        texts: Numbers of all texts that were seen.
        encoded: Prompts of texts as vectors, by number, words, channels and encoder.
    """

    texts: dict[str, int] = field(default_factory=dict)
    encoded: dict[tuple[int, int, int, str], Encoded] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Names | None, checkpoints: Sequence[Checkpoint]) -> "PromptConditions":
        """The prompts of training networks.

        Args:
            names: None or ``prompts``, the factor that holds them.
            checkpoints: The training networks.

        Raises:
            GeneratorError: Another condition, or a network without prompts.
        """
        if names is not None and listed_names(names) != [PROMPTS]:
            raise GeneratorError(
                f"low-rank adapters are asked for by {PROMPTS!r}, got {arguments.described(names)}"
            )
        made = cls(known=tuple((text_of(checkpoint),) for checkpoint in checkpoints))
        made.of_checkpoints(checkpoints)
        return made

    @property
    def names(self) -> list[str]:
        """Names of the properties."""
        return [PROMPTS]

    @property
    def channels(self) -> int:
        """Numbers of a network's condition: that of its text."""
        return 1

    def of_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> Codes:
        """The numbers of the texts of networks.

        Args:
            checkpoints: They have prompts.

        Raises:
            GeneratorError: One has none.
        """
        return self.numbers([text_of(checkpoint) for checkpoint in checkpoints])

    def asked(
        self, condition: Condition | None, count: int, generator: torch.Generator | None
    ) -> tuple[Codes, list[dict[str, Scalar]]]:
        """The numbers of the texts that are asked for, and the texts.

        Args:
            condition: A text, or one for each network, with a prompt a line.
            count: How many networks.
            generator: Not needed.

        Raises:
            GeneratorError: There is none, something else, or not one for each network.
        """
        del generator
        if isinstance(condition, Mapping):
            if list(condition) != [PROMPTS]:
                raise GeneratorError(
                    f"low-rank adapters are asked for by {PROMPTS!r}, got {', '.join(condition)}"
                )
            condition = condition[PROMPTS]
        if condition is None:
            raise GeneratorError(
                "a text is missing that describes the task, a prompt a line; give it as condition, "
                f'on the command line as --condition "{PROMPTS}=…"'
            )
        texts = one_each(PROMPTS, condition, count)
        if not all(isinstance(text, str) for text in texts):
            raise GeneratorError(
                f"{PROMPTS!r} must be a text with a prompt a line, or one for each network, got "
                f"{arguments.described(condition)}"
            )
        if not all(map(has_words, texts)):
            raise GeneratorError(
                f"{PROMPTS!r} is a text without words, which describes no task; give prompts, "
                "one a line"
            )
        if len(texts) != count:
            raise GeneratorError(
                f"condition must be one text, or one for each of {count:,} networks, got "
                f"{len(texts):,}"
            )
        rows: list[dict[str, Scalar]] = [{PROMPTS: text} for text in texts]
        return self.of_checkpoints([Checkpoint("asked", None, row, {}) for row in rows]), rows

    def unknown_words(self, made: Sequence[Checkpoint]) -> list[str]:
        """Words of prompts that no training prompt has.

        Args:
            made: Networks that were made for prompts.
        """
        texts = dict.fromkeys(str(one.configuration[f"asked_{PROMPTS}"]) for one in made)
        return self.known_texts.unknown(texts)

    @cached_property
    def known_texts(self) -> KnownTexts:
        """The texts that were learnt from."""
        return KnownTexts([str(text) for (text,) in self.known])

    def numbers(self, texts: Sequence[str]) -> Codes:
        """The numbers of texts.

        Args:
            texts: The texts.
        """
        found = [self.texts.setdefault(text, len(self.texts)) for text in texts]
        return torch.tensor(found, dtype=torch.float32).reshape(-1, 1)

    def text(self, number: int) -> str:
        """A text by its number.

        Args:
            number: Code of the text.
        """
        return list(self.texts)[number]

    def vectors(self, number: int, words: int, channels: int, encoder: str) -> Encoded:
        """The prompts of a text as vectors, worked out once.

        Args:
            number: Code of the text.
            words: As :func:`~graphwsl.generators.lora.prompts.encode_prompts` has it.
            channels: As there.
            encoder: As there.
        """
        key = (number, words, channels, encoder)
        if key not in self.encoded:
            lines = self.text(number).splitlines()
            self.encoded[key] = encode_prompts(lines, words, channels, encoder)
        return self.encoded[key]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"known": [list(row) for row in self.known]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "PromptConditions":
        """The inverse of :meth:`to_json`.

        Args:
            values: What it gave.

        Raises:
            GeneratorError, LookupError, TypeError, ValueError: Conditions that cannot be.
        """
        found = cls(known=rows_of(values["known"]))
        found.require_whole()
        return found


def text_of(checkpoint: Checkpoint) -> str:
    """The prompts of a network's task, one a line.

    Args:
        checkpoint: It has some.

    Raises:
        GeneratorError: It has none.
    """
    try:
        text = checkpoint[PROMPTS]
    except (KeyError, ValueError):
        text = None
    if not isinstance(text, str) or not text.strip():
        raise GeneratorError(
            f"{checkpoint.model!r} has no {PROMPTS!r}, a text with a prompt a line, got "
            f"{arguments.described(text)}"
        )
    return text
