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


ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "equivariant_flow": {
        "not_equivariant": {"equivariant": False},
        "not_paired": {"sweeps": 0},
        "held_out_epoch": {"held_out": 0.1},
    },
}
"""Parts that are left out: equivariance, the pairing of networks with their noise; or held-out
networks choose the epoch."""

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
