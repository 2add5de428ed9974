"""What a report shows, as plain arrays: it neither simulates nor predicts, and needs no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

import gridstab
from gridstab.errors import InvalidParameterError
from gridstab.grids.power_grid import PowerGrid


@dataclass(frozen=True, eq=False)
class ReportedGrid:
    """One grid of a report with the values of its nodes.

    Attributes:
        grid_id: Global number of the grid, from 1.
        grid: The grid.
        value: What is reported, usually the simulated SNBS, shape ``(nodes,)``.
        interval: 95 % interval of each value, or None if unknown, shape ``(nodes, 2)``.
        prediction: What a model predicts, or None, shape ``(nodes,)``.
        troublemaker: Nodes at which some perturbation drives a frequency beyond 15 rad/s, or None
            if unknown, shape ``(nodes,)``.
        survivability: Share of perturbations after which every frequency stays below 15 rad/s, or
            None if unknown or what is reported itself, shape ``(nodes,)``.
        prediction_interval: Interval of each prediction, or None, shape ``(nodes, 2)``.
        interval_is_bound: Whether ``interval`` is wider than need be, since the values scatter
            less than is known.
    """

    grid_id: int
    grid: PowerGrid
    value: Float[np.ndarray, " nodes"]
    interval: Float[np.ndarray, "nodes 2"] | None = None
    prediction: Float[np.ndarray, " nodes"] | None = None
    troublemaker: Bool[np.ndarray, " nodes"] | None = None
    survivability: Float[np.ndarray, " nodes"] | None = None
    prediction_interval: Float[np.ndarray, "nodes 2"] | None = None
    interval_is_bound: bool = False

    @property
    def shown_troublemaker(self) -> Bool[np.ndarray, " nodes"]:
        """The troublemakers worth marking: none if unknown or the majority, which tells nothing."""
        if self.troublemaker is None or self.troublemaker.mean() > 0.5:
            return np.zeros(self.grid.num_nodes, bool)
        return self.troublemaker


@dataclass(frozen=True, eq=False)
class Report:
    """A page to be: :func:`gridstab.report.html.save_report` writes it.

    Every text may hold any characters; the page shows them as they are.

    Attributes:
        title: Heading of the page.
        grids: The grids; the first one is drawn, the statistics are over all of them.
        quantity: Name of the values: ``SNBS``, ``survivability`` ….
        higher_is_better: Whether small values are the weak nodes'.
        subtitle: A sentence below the heading.
        facts: Figures for the head of the page, in order: what they are, and their text.
        metrics: Quality of the predictions by name; empty without predictions.
        history: One row an epoch of training: ``epoch``, ``loss``, ``validation_loss`` and other
            metrics by name; None for what was not finite.
        best_epoch: The epoch whose weights were kept.
        configuration: What was simulated or trained, nested as it comes.
        version: Version of the code that made the values.
    """

    title: str
    grids: Sequence[ReportedGrid]
    quantity: str = "SNBS"
    higher_is_better: bool = True
    subtitle: str = ""
    facts: Sequence[tuple[str, str]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float | None]] = ()
    best_epoch: int | None = None
    configuration: Mapping[str, object] = field(default_factory=dict)
    version: str = gridstab.__version__

    def __post_init__(self) -> None:
        """Refuse what would draw nothing, or the wrong thing.

        Raises:
            InvalidParameterError: No grids, or predictions for some of them only.
        """
        if not self.grids:
            raise InvalidParameterError("a report needs at least one grid, got none")
        predicted = [reported.prediction is not None for reported in self.grids]
        if any(predicted) and not all(predicted):
            lacking = self.grids[predicted.index(False)].grid_id
            raise InvalidParameterError(f"grid {lacking} of the report has no prediction")

    @property
    def drawn(self) -> ReportedGrid:
        """The grid that is drawn."""
        return self.grids[0]

    @property
    def has_predictions(self) -> bool:
        """Whether there are predictions."""
        return self.drawn.prediction is not None
