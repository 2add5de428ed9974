"""What was measured of a zoo: numbers of networks and of cells, and the file that holds them."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gnncore.storage import StorageError, first_difference, leading_to, read_json, write_json
from graphwsl.errors import LandscapeError
from graphwsl.landscape.phases import Phase, Thresholds, phase_of_cell
from graphwsl.landscape.settings import LandscapeSettings
from graphwsl.zoo.checkpoint import Scalar

KIND = "landscape"
"""What a file of a landscape says it is."""


@dataclass(frozen=True)
class MeasuredNetwork:
    """A network of the zoo.

    Attributes:
        model: Its name in the zoo.
        epoch: Its epoch.
        configuration: Its generating factors.
        metrics: What was measured; NaN where it is not defined or not finite.
    """

    model: str
    epoch: int | None
    configuration: dict[str, Scalar]
    metrics: dict[str, float]


@dataclass(frozen=True)
class MeasuredCell:
    """Networks that differ in their seeds alone.

    Attributes:
        configuration: The factors that they share.
        models: Their names in the zoo.
        metrics: What was measured between them, and the means of what was measured of each.
        profiles: Losses and errors along the ways between them, the mean over pairs.
    """

    configuration: dict[str, Scalar]
    models: tuple[str, ...]
    metrics: dict[str, float]
    profiles: dict[str, list[float]] = field(default_factory=dict)

    def phase(self, thresholds: Thresholds | None = None) -> Phase:
        """Its phase, and why; see :func:`graphwsl.landscape.phases.phase_of`.

        Args:
            thresholds: Where phases end; None for the defaults.
        """
        return phase_of_cell(self.metrics, thresholds)


@dataclass(frozen=True)
class Landscape:
    """What was measured of all networks of a zoo.

    Attributes:
        settings: What was measured, and how closely.
        networks: All networks, in the order of the zoo.
        cells: Those that differ in their seeds alone, together.
        seconds: What each metric took.
    """

    settings: LandscapeSettings
    networks: tuple[MeasuredNetwork, ...]
    cells: tuple[MeasuredCell, ...]
    seconds: dict[str, float]

    def __repr__(self) -> str:
        metrics = ", ".join(self.settings.metrics)
        return f"Landscape({len(self.networks):,} networks, {len(self.cells):,} cells: {metrics})"

    @property
    def axes(self) -> tuple[str, ...]:
        """The factors in which cells differ, in their order."""
        return axes_of([cell.configuration for cell in self.cells])

    def to_dict(self, thresholds: Thresholds | None = None) -> dict[str, Any]:
        """Everything as plain values, with the phase of every cell; None for what is no number.

        Args:
            thresholds: Where phases end; None for the defaults.
        """
        limits = thresholds or Thresholds()
        cells = []
        for cell in self.cells:
            phase = cell.phase(limits)
            cells.append({**plain(vars(cell)), "phase": phase.name, "reasons": [*phase.reasons]})
        return {
            "settings": plain(self.settings.model_dump()),
            "thresholds": limits.model_dump(),
            "networks": [plain(vars(network)) for network in self.networks],
            "cells": cells,
            "seconds": plain(self.seconds),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Landscape":
        """What :func:`graphwsl.landscape.measure` has written.

        Args:
            path: The file.

        Raises:
            StorageError: The file is missing or damaged.
            LandscapeError: It holds something else, or work that is not done yet.
        """
        content = read_json(path)
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise LandscapeError(f"{os.fspath(path)!r} holds no landscape")
        if "networks" not in content:
            raise LandscapeError(f"{os.fspath(path)!r} is not done yet; resume it")
        try:
            return cls.of(content)
        except LandscapeError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LandscapeError(
                f"{os.fspath(path)!r} is not as it was written: {type(error).__name__} {error}"
            ) from error

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Landscape":
        """The inverse of :meth:`to_dict`.

        Args:
            content: Plain values.
        """
        return cls(
            LandscapeSettings.parse(content["settings"]),
            tuple(
                MeasuredNetwork(
                    one["model"], one["epoch"], one["configuration"], _numbers(one["metrics"])
                )
                for one in content["networks"]
            ),
            tuple(
                MeasuredCell(
                    one["configuration"],
                    tuple(one["models"]),
                    _numbers(one["metrics"]),
                    {
                        name: [number_or_nan(v) for v in along]
                        for name, along in one["profiles"].items()
                    },
                )
                for one in content["cells"]
            ),
            _numbers(content["seconds"]),
        )


def axes_of(configurations: Sequence[Mapping[str, Scalar]]) -> tuple[str, ...]:
    """The factors in which cells differ, in their order.

    Args:
        configurations: Factors of each cell.
    """
    names = dict.fromkeys(name for factors in configurations for name in factors)
    return tuple(n for n in names if len({factors.get(n) for factors in configurations}) > 1)


@dataclass
class ResultFile:
    """The file of results while it grows: what is done is not done again.

    Attributes:
        path: The file; None keeps everything in memory.
        identity: What it is of: the networks, the data, and the settings.
        parts: What is done, by name.
    """

    path: str | os.PathLike[str] | None
    identity: dict[str, Any]
    parts: dict[str, Any] = field(default_factory=dict)

    def open(self, resume: bool) -> None:
        """Look at what is there; nothing is written.

        Args:
            resume: Whether to go on with it.

        Raises:
            LandscapeError: There is a file that is not to be resumed, or that is of other networks,
                data or settings.
            StorageError: It is damaged.
        """
        if self.path is None or not os.path.lexists(self.path):
            return
        path = os.fspath(self.path)
        if not resume:
            raise LandscapeError(f"{path!r} exists; resume it or choose another file")
        content = read_json(self.path)
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise LandscapeError(f"{path!r} holds no landscape; choose another file")
        known = content.get("identity")
        if known != self.identity:
            raise LandscapeError(
                f"{path!r} is {self._difference(known)}; choose another file or the same options"
            )
        parts = content.get("parts")
        if not isinstance(parts, dict):
            raise LandscapeError(f"{path!r} is not as it was written; choose another file")
        self.parts = parts

    def _difference(self, known: Any) -> str:
        """What is other about the work in the file, in words."""
        known = known if isinstance(known, dict) else {}
        parts = []
        for name, here in self.identity.items():
            there = known.get(name)
            if there == here:
                continue
            is_known = isinstance(there, dict) and isinstance(here, dict)
            differs = f" ({first_difference(there, here)})" if is_known else ""
            parts.append(f"other {name}{differs}")
        return f"of {' and '.join(parts) or 'other work'}"

    def keep(self, name: str, part: Any) -> None:
        """Note what is done, in the file too.

        Args:
            name: Names it.
            part: Plain values.

        Raises:
            StorageError: The file cannot be written.
        """
        self.parts[name] = part
        self._write({})

    def finish(self, content: Mapping[str, Any]) -> None:
        """Write the finished file.

        Args:
            content: What the parts are together.

        Raises:
            StorageError: The file cannot be written.
        """
        self._write(content)

    def _write(self, content: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        try:
            write_json(
                leading_to(self.path),
                {"kind": KIND, "identity": self.identity, "parts": self.parts, **content},
            )
        except ValueError as error:
            raise StorageError.because("write", self.path, str(error)) from error


def plain(value: Any) -> Any:
    """Values as JSON knows them: None for what is no number.

    Args:
        value: Mappings, sequences, text, numbers, None.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(part) for part in value]
    return value


def number_or_nan(value: float | None) -> float:
    """The inverse of :func:`plain` for numbers.

    Args:
        value: A number, or None for what is none.
    """
    return math.nan if value is None else float(value)


def _numbers(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: number_or_nan(value) for name, value in values.items()}
