"""What networks are asked for: properties of training networks, as numbers that modules read."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from graphwsl import arguments
from graphwsl.errors import GeneratorError, PredictorError
from graphwsl.generators.data_sets import DataSets
from graphwsl.populations.targets import Target
from graphwsl.zoo.checkpoint import Checkpoint, Scalar

Codes = Float[Tensor, "networks channels"]
Names = str | DataSets | Sequence[str | DataSets]
"""Properties by which networks can be asked for: one, or several."""
Condition = Mapping[str, Any] | Scalar | Sequence[Any]
"""A value of each property; of the only one, the value itself. Sequences have one a network."""


FARTHEST = 100.0
"""Standard deviations from the mean of training networks beyond which no number is asked for."""


@dataclass(frozen=True)
class Conditions:
    """Properties, and how each becomes numbers: standardised, or one a class.

    Attributes:
        targets: The properties.
        centers: Mean of each that is a number; 0 of others.
        spreads: Standard deviation, likewise; 1 of others.
        known: What training networks have of each, from which is drawn where nothing is asked for;
            a row a network.
    """

    targets: tuple[Target, ...] = ()
    centers: tuple[float, ...] = ()
    spreads: tuple[float, ...] = ()
    known: tuple[tuple[Scalar, ...], ...] = ()

    @classmethod
    def of(cls, names: Names | None, checkpoints: Sequence[Checkpoint]) -> "Conditions":
        """The properties of these names, as training networks have them.

        Args:
            names: Metrics, generating factors or ``epoch``; None for no condition.
            checkpoints: The training networks.

        Raises:
            GeneratorError: What is no name; a network lacks a property, or it is the same in all of
                them.
        """
        if names is None:
            return cls()
        listed = listed_names(names)
        if not listed or len(set(listed)) < len(listed):
            raise GeneratorError(f"condition must name properties, each once, got {_said(names)}")
        try:
            targets = tuple(Target.of(str(name), checkpoints) for name in listed)
            values = [target.values(checkpoints).double() for target in targets]
        except PredictorError as error:
            raise GeneratorError(f"condition: {error}") from error
        numbers = [target.classes is None for target in targets]
        centers = [float(v.mean()) if n else 0.0 for v, n in zip(values, numbers, strict=True)]
        spreads = [float(v.std(correction=0)) if n else 1.0
                   for v, n in zip(values, numbers, strict=True)]  # fmt: skip
        known = tuple(tuple(c[t.name] for t in targets) for c in checkpoints)
        return cls(targets, tuple(centers), tuple(spreads), known)

    @property
    def names(self) -> list[str]:
        """Names of the properties."""
        return [target.name for target in self.targets]

    @property
    def channels(self) -> int:
        """Numbers of a network's condition."""
        return sum(1 if t.classes is None else len(t.classes) for t in self.targets)

    def of_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> Codes:
        """The conditions of networks that were trained.

        Args:
            checkpoints: They have all the properties.

        Raises:
            GeneratorError: One lacks a property, or is of a class that was not learnt from.
        """
        try:
            values = [target.values(checkpoints) for target in self.targets]
        except PredictorError as error:
            raise GeneratorError(f"condition: {error}") from error
        return self._codes(values, len(checkpoints))

    def asked(
        self, condition: Condition | None, count: int, generator: torch.Generator | None
    ) -> tuple[Codes, list[dict[str, Scalar]]]:
        """The conditions of networks that are asked for, as numbers and as they are.

        Args:
            condition: What is asked for; a property without a value is drawn, and all of them
                together from one training network where nothing is asked for.
            count: How many networks.
            generator: Draws what is not asked for.

        Raises:
            GeneratorError: A property that was not learnt, a value of another kind, not finite or
                far from all that was learnt, or not one for each network.
        """
        given = self._given(condition, count)
        rows: list[dict[str, Scalar]] = [{} for _ in range(count)]
        if self.names:
            drawn = torch.randint(len(self.known), (count,), generator=generator).tolist()
            for column, name in enumerate(self.names):
                own = given.get(name) or [self.known[n][column] for n in drawn]
                for row, value in zip(rows, own, strict=True):
                    row[name] = value
        checkpoints = [_wanted(row) for row in rows]
        return self.of_checkpoints(checkpoints), rows

    def unknown_words(self, made: Sequence[Checkpoint]) -> list[str]:
        """Words by which networks were asked for and that no training network has.

        Args:
            made: Networks that were made.

        Returns:
            The words, in their order, each once; none where properties are no texts.
        """
        del made
        return []

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "targets": [[t.name, None if t.classes is None else list(t.classes)]
                        for t in self.targets],
            "centers": list(self.centers),
            "spreads": list(self.spreads),
            "known": [list(row) for row in self.known],
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Conditions":
        """The inverse of :meth:`to_json`.

        Args:
            values: What it gave.

        Raises:
            GeneratorError, LookupError, TypeError, ValueError: Conditions that cannot be.
        """
        targets = tuple(Target(n, None if c is None else tuple(c)) for n, c in values["targets"])
        centers, spreads = (tuple(map(float, values[key])) for key in ("centers", "spreads"))
        found = cls(targets, centers, spreads, rows_of(values["known"]))
        found.require_whole()
        return found

    def require_whole(self) -> None:
        """Refuse what fits together in no file that was written.

        Raises:
            GeneratorError, TypeError: A training network has another value than can be asked for.
            ValueError: Lists of different lengths, no training network, or a negative deviation.
        """
        if not len(self.targets) == len(self.centers) == len(self.spreads):
            raise ValueError("conditions have not one center and one spread each")
        if any(spread < 0 for spread in self.spreads):
            raise ValueError("a condition has a negative spread")
        if not self.names:
            return
        if not self.known:
            raise ValueError("conditions are known of no network")
        rows = [dict(zip(self.names, row, strict=True)) for row in self.known]
        self.of_checkpoints([_wanted(row) for row in rows])

    def _given(self, condition: Condition | None, count: int) -> dict[str, list[Any]]:
        """The values that are asked for, one a network, by name."""
        if condition is None:
            return {}
        if not self.names:
            raise GeneratorError(
                f"the generator learnt no condition, got {arguments.described(condition)}; fit it "
                'with condition="test_accuracy" or the like'
            )
        if not isinstance(condition, Mapping):
            if len(self.names) > 1:
                raise GeneratorError(
                    f"the generator learnt {len(self.names)} conditions, say of which this is "
                    f"the value: {{{self.names[0]!r}: …}}, got {arguments.described(condition)}"
                )
            condition = {self.names[0]: condition}
        found: dict[str, list[Any]] = {}
        for name, value in condition.items():
            if name not in self.names:
                raise GeneratorError(
                    f"the generator learnt no condition {name!r}; choose {', '.join(self.names)}"
                )
            values = [_plain(name, one) for one in one_each(name, value, count)]
            if len(values) != count:
                raise GeneratorError(
                    f"condition {name!r} must be one value, or one for each of {count:,} networks, "
                    f"got {len(values):,}"
                )
            self._require_near(name, values)
            found[name] = values
        return found

    def _require_near(self, name: str, values: Sequence[str | int | float]) -> None:
        """Refuse numbers so far from those of training networks that no network can follow."""
        for column, target in enumerate(self.targets):
            if target.name != name or target.classes is not None:
                continue
            center, most = self.centers[column], FARTHEST * self.spreads[column]
            for value in values:
                if isinstance(value, str) or center - most <= value <= center + most:
                    continue
                own: list[Any] = [row[column] for row in self.known]
                raise GeneratorError(
                    f"condition {name!r} is {arguments.described(value)}, far from all that was "
                    f"learnt, {min(own)!r} to {max(own)!r}; choose a value closer to them"
                )

    def _codes(self, values: Sequence[Float[Tensor, " networks"]], count: int) -> Codes:
        parts = [torch.zeros(count, 0)]
        for target, own, center, spread in zip(
            self.targets, values, self.centers, self.spreads, strict=True
        ):
            if target.classes is not None:
                parts.append(one_hot(own.long(), len(target.classes)).float())
            else:
                parts.append(((own - center) / (spread or 1.0))[:, None].float())
        return torch.cat(parts, dim=1)


def listed_names(names: Any) -> list[str | DataSets]:
    """Properties as a list.

    Args:
        names: One, several, or None.

    Raises:
        GeneratorError: Something else, or a list of something else.
    """
    if names is None or isinstance(names, str | DataSets):
        return [] if names is None else [names]
    is_list = isinstance(names, Iterable) and not isinstance(names, Mapping | bytes)
    listed = [*names] if is_list else [names]
    for one in listed:
        if not isinstance(one, str | DataSets):
            raise GeneratorError(
                "condition must name a property, such as 'test_accuracy', or several, got "
                f"{arguments.described(one)}"
            )
    return listed


def rows_of(known: Any) -> tuple[tuple[Scalar, ...], ...]:
    """What a file knows of training networks.

    Args:
        known: A list a network.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(known, list) or not all(isinstance(row, list) for row in known):
        raise TypeError("what is known of networks is no list of lists")
    return tuple(tuple(row) for row in known)


def one_each(name: str, value: Any, count: int) -> list[Any]:
    """What is asked for, one a network; a value alone is that of all of them.

    Args:
        name: The property.
        value: A value or several.
        count: How many networks.

    Raises:
        GeneratorError: It is neither.
    """
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, str | int | float) or value is None:
        return [value] * count
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise GeneratorError(
            f"condition {name!r} must be a number or text, or one for each network, got "
            f"{arguments.described(value)}"
        )
    return [*value]


def _plain(name: str, value: Any) -> str | int | float:
    """A value as plain Python has it; an epoch as a whole number."""
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()
    if not isinstance(value, str | int | float):
        raise GeneratorError(
            f"condition {name!r} must be a number or text, got {arguments.described(value)}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise GeneratorError(f"condition {name!r} must be finite, got {value}")
    if name != "epoch" or type(value) is int:
        return value
    if not isinstance(value, float) or not value.is_integer():
        raise GeneratorError(
            f"condition 'epoch' must be a whole number, got {arguments.described(value)}"
        )
    return int(value)


def _wanted(row: dict[str, Scalar]) -> Checkpoint:
    """A network that would have these properties."""
    epoch = row.get("epoch")
    return Checkpoint("asked", epoch if isinstance(epoch, int) else None, dict(row), {})


def _said(names: Any) -> str:
    """Names as they were given; of anything else what it is."""
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return repr(list(names))
    return arguments.described(names)
