"""What competes: every representation of the package, and some of them without a part."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from graphwsl.errors import RepresentationError
from graphwsl.representations import REPRESENTATIONS, Representation, make


@dataclass(frozen=True)
class Row:
    """One line of the tables.

    Attributes:
        name: What ``--rows`` and the tables call it; ablations have a slash in it.
        method: Name of the representation.
        options: In place of its settings.
    """

    name: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ablation(self) -> bool:
        """Whether it is a method without one of its parts."""
        return "/" in self.name

    def make(self, size: str, seed: int, **more: Any) -> Representation:
        """The representation, not fitted yet."""
        return make(self.method, size, seed, **{**more, **self.options})

    def digest(self, size: str, **more: Any) -> str:
        """A hash of everything that the fit depends on but networks and seed."""
        settings = self.make(size, 0, **more).settings.model_dump(exclude={"device"})
        text = f"{self.method} {sorted(settings.items())}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "hyper_representation": {
        "no_contrast": {"contrast": 0.0},
        "no_layer_scales": {"normalise": "none"},
        "no_views": {"views": 0},
    },
    "sane": {
        "no_contrast": {"contrast": 0.0},
        "contrast_half": {"contrast": 0.5},
        "latents_64": {"latent_channels": 64},
        "no_views": {"views": 0},
        "no_halo": {"halo": 0},
        "not_aligned": {"align": False},
        "structure_half": {"structure": 0.5, "window": None, "halo": 0},
    },
    "multi_zoo": {"batch_scale": {"normalise": "batch"}},
    "behavioural": {
        "no_behaviour": {"structure": 1.0},
        "structure_half": {"structure": 0.5},
        "no_structure": {"structure": 0.0},
        "epochs_30": {"epochs": 30},
        "no_behaviour_epochs_30": {"structure": 1.0, "epochs": 30},
        "no_views": {"views": 0},
    },
    "graph_autoencoder": {
        "no_behaviour": {"structure": 1.0},
        "latents_32": {"latent_channels": 32},
        "latents_128": {"latent_channels": 128},
        "latents_192": {"latent_channels": 192},
        "latents_256": {"latent_channels": 256},
    },
}
"""Parts that are left out or changed: contrast (γ), structure against behaviour (β), views, halo,
alignment, the size of latents, and the scale on which errors count."""


def _rows() -> list[Row]:
    rows = [Row(name, name) for name in REPRESENTATIONS]
    rows += [
        Row(f"{method}/{name}", method, options)
        for method, ablations in ABLATIONS.items()
        for name, options in ablations.items()
    ]
    return rows


ROWS: dict[str, Row] = {row.name: row for row in _rows()}
"""All rows by name."""


def choose_rows(names: str) -> list[Row]:
    """The rows of a list of names, separated by commas.

    Args:
        names: Names with commas; ``methods`` are all without a slash, ``all`` are all.

    Raises:
        RepresentationError: A name that no row has.
    """
    if names in ("all", "methods"):
        return [row for row in ROWS.values() if names == "all" or not row.is_ablation]
    for name in names.split(","):
        if name not in ROWS:
            raise RepresentationError(f"there is no row {name!r}; choose from {', '.join(ROWS)}")
    return [ROWS[name] for name in names.split(",")]
