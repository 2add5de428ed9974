"""What is measured of the networks of a zoo, and how closely."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gnncore.configuration import Configuration
from graphwsl.errors import LandscapeError

Metric = Literal["hessian", "similarity", "curves", "lines", "averages"]
METRICS: tuple[Metric, ...] = ("hessian", "similarity", "curves", "lines", "averages")

Count = Annotated[int, Field(ge=1, le=10**6)]
Positive = Annotated[float, Field(gt=0)]


class LandscapeSettings(Configuration):
    """What is measured, and how closely.

    Attributes:
        metrics: ``hessian`` (trace and largest eigenvalues), ``similarity`` (CKA of networks that
            differ in their seeds), ``curves`` (Bézier curves between these), ``lines`` (straight
            ones, with and without alignment) and ``averages`` (of weights, between seeds and along
            trainings).
        samples: Training samples, and as many test samples, of Hessians and similarities; those
            that there are, if fewer.
        batch_size: Samples that run together, also those of a step of the training of curves.
        probes: Random vectors a trace.
        eigenvalues: Eigenvalues of every Hessian, from the largest on.
        layers: Layers whose blocks of the Hessian are measured too, as ``module_list.0``.
        activations: Modules whose outputs are compared too, as ``module_list.2``.
        pairs: Pairs of networks that differ in their seeds, at most, of each cell.
        curve_steps: Steps of the training of a curve.
        curve_learning_rate: Its learning rate; see
            :class:`graphwsl.landscape.paths.CurveTraining`.
        curve_points: Places along a curve that are measured, both ends included.
        line_points: The same of lines.
        averaged_epochs: The last kept epochs of a training whose weights are averaged.
        seed: Seed of all that is drawn.
    """

    error_class = LandscapeError

    metrics: tuple[Metric, ...] = METRICS
    samples: Annotated[int, Field(ge=4, le=10**6)] = 512
    batch_size: Count = 128
    probes: Annotated[int, Field(ge=2, le=10**5)] = 32
    eigenvalues: Annotated[int, Field(ge=1, le=100)] = 1
    layers: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    pairs: Count = 3
    curve_steps: Count = 1000
    curve_learning_rate: Positive = 0.1
    curve_points: Annotated[int, Field(ge=3, le=1001)] = 5
    line_points: Annotated[int, Field(ge=3, le=1001)] = 11
    averaged_epochs: Annotated[int, Field(ge=2, le=10**4)] = 5
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> "LandscapeSettings":
        if not self.metrics:
            raise ValueError(f"there is nothing to measure; choose metrics among {METRICS}")
        return self
