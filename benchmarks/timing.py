"""Processor time of a call, and the spread of repeated measurements."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Processor seconds (all threads of the process together), wall seconds, and the result."""

    cpu: float
    wall: float
    result: Any


def timed(call: Callable[[], Any]) -> Timing:
    """Runs ``call`` once."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return Timing(time.process_time() - cpu, time.perf_counter() - wall, result)


@dataclass(frozen=True)
class Spread:
    """Median and range of repeated measurements."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(float(np.median(values)), float(min(values)), float(max(values)), len(values))

    @property
    def percent(self) -> float:
        """Half the range, as a percentage of the median."""
        return 50 * (self.high - self.low) / self.median


def repeat_for(call: Callable[[], Any], *, repeats: int) -> list[Timing]:
    """Runs ``call`` once to compile and warm the caches, then ``repeats`` times."""
    call()
    return [timed(call) for _ in range(repeats)]
