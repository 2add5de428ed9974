"""What competes: every generator of the package, and some of them without a part."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from graphwsl.errors import GeneratorError
from graphwsl.generators import GENERATORS, Generator, make


@dataclass(frozen=True)
class Row:
    """One line of the tables.

    Attributes:
        name: What ``--rows`` and the tables call it; ablations have a slash in it.
        method: Name of the generator.
        options: In place of its settings.
    """

    name: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, size: str, seed: int, **more: Any) -> Generator:
        """The generator, not fitted yet."""
        return make(self.method, size, seed, **{**more, **self.options})

    def digest(self, size: str, **more: Any) -> str:
        """A hash of everything that the fit depends on but networks and seed."""
        settings = self.make(size, 0, **more).settings.model_dump(exclude={"device"})
        text = f"{self.method} {sorted(settings.items())}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


WEIGHTS_ALONE: dict[str, Any] = {"behaviour": 0.0, "calibration": 0}
"""The flow without training images, as it comes."""

LOWER_RATE: dict[str, Any] = {
    "behaviour_error": 1.0,
    "behaviour_start": 0.1,
    "learning_rate": 2e-3,
}
"""Soft errors beside losses, from early on and more slowly."""

ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "equivariant_flow": {
        "weights_alone": WEIGHTS_ALONE,
        "by_error": {"behaviour_error": 1.0, "behaviour_start": 0.3},
        "not_calibrated": {"calibration": 0},
        "lower_rate": LOWER_RATE,
        # Networks of several depths are learnt at a third of the usual rate, or by chance.
        "deeper": {**LOWER_RATE, "learning_rate": 1e-3, "behaviour_sizes": {"depth": (4,)}},
        "not_equivariant": {**WEIGHTS_ALONE, "equivariant": False},
        "not_paired": {**WEIGHTS_ALONE, "sweeps": 0},
        "held_out_epoch": {**WEIGHTS_ALONE, "held_out": 0.1},
    },
    "aligned_flow": {
        "not_aligned": {"align": "none"},
        "barycentre": {"align": "barycentre"},
        "all_parameters": {"components": None, "normalise": "tensor", "source_deviation": 1.0},
    },
    "recurrent_diffusion": {
        "no_recurrence": {"recurrence": "none"},
        "no_state": {"state": "none"},
        "aligned_no_state": {"state": "none", "align": "barycentre"},
        "coordinates": {"state": "coordinates", "align": "barycentre"},
    },
}
"""Parts that are left out, replaced or added. Of ``equivariant_flow``: training images and
calibration (``weights_alone``), without which it is also told what equivariance, the pairing of
networks with their noise and the choice of the epoch by training networks are worth; calibration
alone; with soft errors beside losses (``by_error``, and ``lower_rate``, which learns from
answers from earlier on), or a depth of which no network is trained. Of
``aligned_flow``: the alignment, its reference, principal components. Of ``recurrent_diffusion``:
recurrence, or the state that is looked up, with coordinates that no training network has in its
place."""

ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        *(Row(name, name) for name in GENERATORS),
        *(
            Row(f"{method}/{name}", method, options)
            for method, ablations in ABLATIONS.items()
            for name, options in ablations.items()
        ),
    )
}
"""All rows by name."""


def choose_rows(names: str) -> list[Row]:
    """The rows of a list of names, separated by commas.

    Args:
        names: Names of rows; ``methods`` for all methods, ``all`` for ablations too.

    Raises:
        GeneratorError: There is no such row.
    """
    if names in ("methods", "all"):
        return [row for row in ROWS.values() if names == "all" or "/" not in row.name]
    found = []
    for name in names.split(","):
        if name not in ROWS:
            raise GeneratorError(f"there is no row {name!r}; choose among {', '.join(ROWS)}")
        found.append(ROWS[name])
    return found
