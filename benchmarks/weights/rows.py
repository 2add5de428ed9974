"""What competes: every predictor of the package, some without a part, and installed peers."""

import hashlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from graphwsl.errors import PredictorError
from graphwsl.properties import PREDICTORS, Predictor


@dataclass(frozen=True)
class Row:
    """One line of the leaderboard.

    Attributes:
        name: What ``--rows`` and the tables call it.
        predictor: Name of the predictor.
        options: Of the predictor.
    """

    name: str
    predictor: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> type[Predictor]:
        """The class of the predictor."""
        if self.predictor == "nfn_published":
            from benchmarks.weights.published_nfn import PublishedNFNPredictor

            return PublishedNFNPredictor
        return PREDICTORS[self.predictor]

    @property
    def is_random(self) -> bool:
        """Whether seeds make a difference."""
        return "epochs" in self.kind.defaults or self.predictor == "stacked"

    def make(self, **more: Any) -> Predictor:
        """The predictor, not fitted yet; options that it does not have are left out."""
        known = {name: value for name, value in more.items() if name in self.kind.defaults}
        if self.predictor == "stacked" and "epochs" in more:
            known["options"] = {"forward_propagation": {"epochs": more["epochs"]}}
        return self.kind(**self.options, **known)

    def digest(self, **more: Any) -> str:
        """A hash of everything that the fit depends on but data and seed."""
        text = f"{self.predictor} {sorted(self.make(**more).options.items())}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _rows() -> list[Row]:
    rows = [Row(name, name) for name in PREDICTORS]
    rows += [
        Row(f"{name}/no_statistics", name, {"statistics": False})
        for name in ("forward_propagation", "message_passing", "deep_sets")
    ]
    rows += [
        Row(f"forward_propagation/{name}", "forward_propagation", options)
        for name, options in {
            "no_auxiliary": {"auxiliary": []},
            "fan_in_half": {"fan_in_exponent": 0.5},
        }.items()
    ]
    rows.append(Row("stacked/3_copies", "stacked", {"copies": 3}))
    if find_spec("nfn"):
        rows.append(Row("nfn_published", "nfn_published"))
    return rows


ROWS: dict[str, Row] = {row.name: row for row in _rows()}
"""All rows by name."""


def choose_rows(names: str) -> list[Row]:
    """The rows of a list of names, separated by commas; ``all`` are all.

    Raises:
        PredictorError: A name that no row has.
    """
    if names == "all":
        return list(ROWS.values())
    for name in names.split(","):
        if name not in ROWS:
            raise PredictorError(f"there is no row {name!r}; choose from {', '.join(ROWS)}")
    return [ROWS[name] for name in names.split(",")]
