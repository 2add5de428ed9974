"""Conditions of which one may be the data set that networks are for, known by its samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from graphwsl.errors import GeneratorError
from graphwsl.generators.conditions import (
    Codes,
    Condition,
    Conditions,
    Names,
    listed_names,
    rows_of,
)
from graphwsl.generators.data_sets import DataSets
from graphwsl.generators.known_data_sets import KnownDataSets
from graphwsl.zoo.checkpoint import Checkpoint, Scalar

GIVEN = "given"
"""What is said of a network for whose data set samples were given."""


@dataclass(frozen=True)
class DescribedConditions(Conditions):
    """Properties, and after them the data set.

    Attributes:
        sets: Data sets of training networks; None where networks are not asked for by them.
    """

    sets: KnownDataSets | None = None

    @classmethod
    def of(cls, names: Names | None, checkpoints: Sequence[Checkpoint]) -> "DescribedConditions":
        """Properties of these names, and data sets, as training networks have them.

        Args:
            names: Metrics, generating factors, ``epoch``, and at most one
                :class:`~graphwsl.generators.data_sets.DataSets`; None for no condition.
            checkpoints: The training networks.

        Raises:
            GeneratorError: What is no name; a network lacks a property, or it is the same in all of
                them; several data sets, or none for a network.
        """
        listed = listed_names(names)
        sets = [one for one in listed if isinstance(one, DataSets)]
        plain = [one for one in listed if not isinstance(one, DataSets)]
        if len(sets) > 1:
            raise GeneratorError(f"condition must name one DataSets at most, got {len(sets)}")
        if not sets:
            found = Conditions.of(None if names is None else plain, checkpoints)
            return cls(found.targets, found.centers, found.spreads, found.known)
        known: tuple[tuple[Scalar, ...], ...] = ((),) * len(checkpoints)
        found = Conditions.of(plain, checkpoints) if plain else Conditions(known=known)
        described = sets[0].known
        own = [_data_set(described, checkpoint) for checkpoint in checkpoints]
        known = tuple((*row, value) for row, value in zip(found.known, own, strict=True))
        return cls(found.targets, found.centers, found.spreads, known, described)

    @property
    def names(self) -> list[str]:
        """Names of the properties."""
        return [*super().names, *([] if self.sets is None else [self.sets.name])]

    @property
    def channels(self) -> int:
        """Numbers of a network's condition."""
        return super().channels + (0 if self.sets is None else self.sets.channels)

    def of_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> Codes:
        """The conditions of networks.

        Args:
            checkpoints: They have all the properties.

        Raises:
            GeneratorError: One lacks a property, or is of a class or data set that was not learnt
                from.
        """
        plain = super().of_checkpoints(checkpoints)
        if self.sets is None:
            return plain
        values = [_data_set(self.sets, checkpoint) for checkpoint in checkpoints]
        return torch.cat([plain, torch.stack([self.sets.of_value(v) for v in values])], dim=1)

    def asked(
        self, condition: Condition | None, count: int, generator: torch.Generator | None
    ) -> tuple[Codes, list[dict[str, Scalar]]]:
        """The conditions of networks that are asked for, as numbers and as they are.

        Args:
            condition: As that of :class:`Conditions`; for the data set its name, or a pair of
                samples and their classes, or one for each network.
            count: How many networks.
            generator: Draws what is not asked for.

        Raises:
            GeneratorError: A property that was not learnt, a value of another kind, or not one for
                each network.
        """
        sets = self.sets
        if sets is not None and self.names == [sets.name] and not isinstance(condition, Mapping):
            condition = None if condition is None else {sets.name: condition}
        if sets is None or not isinstance(condition, Mapping) or sets.name not in condition:
            return super().asked(condition, count, generator)
        value = condition[sets.name]
        values = [value] * count if isinstance(value, tuple | str) else value
        if not isinstance(values, Sequence):
            return super().asked(condition, count, generator)
        # Samples stand where a known data set would.
        known = next(iter(sets.vectors))
        names = [known if isinstance(one, tuple) else one for one in values]
        codes, rows = super().asked({**condition, sets.name: names}, count, generator)
        for number, one in enumerate(values):
            if isinstance(one, tuple):
                codes[number, -sets.channels :] = sets.describe(one)
                rows[number][sets.name] = GIVEN
        return codes, rows

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {**super().to_json(), "sets": None if self.sets is None else self.sets.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "DescribedConditions":
        """The inverse of :meth:`to_json`.

        Args:
            values: What it gave.

        Raises:
            GeneratorError, LookupError, TypeError, ValueError: Conditions that cannot be.
        """
        if values["sets"] is None:
            plain = Conditions.from_json(values)
            return cls(plain.targets, plain.centers, plain.spreads, plain.known)
        sets, known = KnownDataSets.from_json(values["sets"]), rows_of(values["known"])
        plain = Conditions.from_json({**values, "known": [[*row[:-1]] for row in known]})
        found = cls(plain.targets, plain.centers, plain.spreads, known, sets)
        found.require_whole()
        return found


def _data_set(sets: KnownDataSets, checkpoint: Checkpoint) -> Scalar:
    """The data set of a network, by name."""
    try:
        value = checkpoint[sets.name]
    except (LookupError, ValueError) as error:
        raise GeneratorError(f"{checkpoint.model!r} has no {sets.name!r}") from error
    sets.of_value(value)
    return value
