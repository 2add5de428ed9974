"""Flow matching whose velocity is a graph metanetwork, equivariant under all permutations.

Networks of independent seeds need no alignment and no augmentation: a network and all its
permutations are one. One model makes networks of several architectures, and of widths and depths
that it has not seen. Announced by Piven et al. (arXiv:2609.32833, 2026), whose code is not known;
``published`` are our settings for large machines.
"""

from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.all_or_nothing import all_or_nothing
from graphwsl.errors import GeneratorError, ZooError
from graphwsl.generators.conditions import Codes, Condition, Names
from graphwsl.generators.fit_arguments import with_arguments_of_its_own
from graphwsl.generators.flow.answers import Answers, readable
from graphwsl.generators.flow.calibration import stretch
from graphwsl.generators.flow.coordinates import kinds_of_pieces
from graphwsl.generators.flow.flow_module import FlowModule
from graphwsl.generators.flow.plan import FlowPlan
from graphwsl.generators.flow.settings import FlowSettings
from graphwsl.generators.generator import UNREADABLE, Generator
from graphwsl.generators.known_data_sets import require_labelled
from graphwsl.generators.module import Rows
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.zoo.zoo import Zoo

_LEAST_TRAININGS = 20
"""Networks whose distances from one another tell how far others should be."""


class EquivariantFlow(Generator):
    """Networks from noise, along the velocity of a metanetwork on the neural graph.

    After ``fit``, ``report["behaviour"]`` says whether answers counted in what was learnt: not
    without samples, nor where the epoch that is kept ended before ``behaviour_start``. Where there
    are samples, that epoch is the one whose networks answer best.
    """

    name = "equivariant_flow"
    mixed: ClassVar[bool] = True
    sizes: ClassVar[bool] = True
    settings: FlowSettings
    # The error on held-out networks rises long before samples are at their best, so that it
    # chooses no epoch.
    published = FlowSettings(
        channels=256, edge_channels=32, rounds=4, heads=8, epochs=2000, batch_size=32,
        learning_rate=5e-4, weight_decay=0.01, average_decay=0.999, held_out=0.0,
    )  # fmt: skip
    small = FlowSettings(
        channels=96, edge_channels=12, rounds=3, heads=4, epochs=400, batch_size=16,
        learning_rate=3e-3, weight_decay=0.01, average_decay=0.998, held_out=0.0, behaviour=0.3,
    )  # fmt: skip

    def __init__(self, size: str = "small", seed: int = 0, **options: Any) -> None:
        super().__init__(size, seed, **options)
        sizes = self.settings.behaviour_sizes
        if sizes and not self.settings.behaviour:
            raise GeneratorError(
                f"behaviour_sizes={sizes} are compared by what networks answer, and behaviour=0 "
                "compares nothing; give behaviour=0.3, say, or leave behaviour_sizes out"
            )
        self._asks_for_behaviour = bool(options.get("behaviour")) or bool(sizes)

    _data: tuple[Tensor, Tensor] | None = None
    _given: tuple[Tensor, Tensor] | None = None
    _passes: int = 0

    @with_arguments_of_its_own
    @all_or_nothing
    def fit(
        self,
        population: Population,
        condition: Names | None = None,
        epochs: int | None = None,
        *,
        valid: Population | None = None,
        data: tuple[Tensor, Tensor] | None = None,
        work: str | Path | None = None,
        progress: bool = False,
    ) -> "EquivariantFlow":
        """Learn from networks, and from what they answer on samples where these are known.

        Args:
            population: Networks to learn from.
            condition: Properties by which networks can be asked for afterwards.
            epochs: Passes over the networks; those of the settings by default.
            valid: Networks that choose the epoch; by default a share of the population.
            data: Samples that the networks learnt from, and their classes; those of the zoo that
                was read by default. Without any, weights alone are learnt from.
            work: Folder for the state between two epochs, from which the same fit goes on.
            progress: Show the progress on stderr.

        Raises:
            GeneratorError: Networks or data that cannot be learnt from, or ``behaviour`` or
                ``behaviour_sizes`` were asked for and there are no data.
            TrainingError: The training diverged.
            CheckpointError: ``work`` holds the state of another fit.
        """
        if data is not None:
            require_labelled("data", data)
            data = readable(*data)
        elif self._asks_for_behaviour and self._data is None:
            raise GeneratorError(
                f"behaviour={self.settings.behaviour:g} compares what networks answer on samples, "
                "and there are none; give data=(samples, classes), or choose behaviour=0"
            )
        self._given = self._data if data is None else data
        self._passes = self.settings.epochs if epochs is None else epochs
        super().fit(population, condition, epochs, valid=valid, work=work, progress=progress)
        module = self._flow()
        self.report["behaviour"] = module.answers is not None and module.answers_count
        module.answers = self._given = None
        if self.settings.calibration:
            self._calibrate(module, population)
        return self

    def read(self, population: Population, zoo: Zoo) -> Population:
        """The networks as they are; the samples that they learnt from are kept for ``fit``.

        Args:
            population: Networks of the zoo.
            zoo: The zoo.
        """
        self._data = None  # those of another zoo are not its own
        try:
            data = zoo.images()
        except ZooError:  # weights are there all the same
            return population
        if data.classes is not None and data.signals is None and data.train_labels.ndim == 1:
            self._data = readable(data.train, data.train_labels)
        return population

    @torch.no_grad()
    def velocity(
        self,
        rows: Rows,
        time: Float[Tensor, " networks"],
        architecture: Architecture,
        condition: Condition | None = None,
    ) -> Rows:
        """How fast networks move on their way from noise.

        Args:
            rows: Flattened states; read in single precision.
            time: Time of each, from 0 (noise) to 1 (networks).
            architecture: What they have in common.
            condition: As that of :meth:`sample`; what is not said is drawn from a generator of
                seed 0.

        Returns:
            The derivative of every row; 0 for running statistics.

        Raises:
            GeneratorError: Not fitted, rows of another architecture or not finite, or not a time
                from 0 to 1 for each.
        """
        flow = self._flow()
        advice = "give one of population.architectures"
        arguments.instance("architecture", architecture, Architecture, "an Architecture", advice)
        if not isinstance(rows, Tensor) or rows.ndim != 2:
            raise GeneratorError(
                f"rows must be a tensor of shape (networks, entries), got "
                f"{arguments.described(rows)}"
            )
        if not isinstance(time, Tensor) or time.shape != rows.shape[:1]:
            raise GeneratorError(
                f"time must be a tensor of shape ({len(rows)},), one of each row, got "
                f"{arguments.described(time)}"
            )
        if not bool(rows.float().isfinite().all()):
            raise GeneratorError(
                "rows have numbers that are not finite in single precision; leave them out"
            )
        outside = ~((time >= 0) & (time <= 1))
        if outside.any():
            raise GeneratorError(f"time must be from 0 to 1, got {float(time[outside][0]):g}")
        generator = torch.Generator().manual_seed(0)
        codes, _ = self.conditions.asked(condition, len(rows), generator)
        return flow.velocity_of_rows(rows.float(), time.float(), architecture, codes)

    def restore(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Become the generator that was saved.

        Args:
            config: Its configuration.
            arrays: Its tensors.

        Raises:
            GeneratorError: The file is not one of this method.
        """
        # Older files know nothing of behaviour and of gains.
        try:
            widths = dict(config["built"]["widths"]).items()
            older = {f"coordinates.kinds.{k}.gain": np.ones(w, np.float32) for k, w in widths}
        except UNREADABLE:  # which is said below
            older = {}
        super().restore(config, {"seen": np.zeros((), np.int64), **older, **arrays})
        learnt_from = bool(self.report.get("behaviour"))
        self._asks_for_behaviour = learnt_from or bool(self.settings.behaviour_sizes)

    def _build(self, train: Population | None, built: dict[str, Any]) -> FlowModule:
        settings = self.settings
        for name in ("heads", "edge_channels"):
            if settings.channels % getattr(settings, name):
                raise GeneratorError(
                    f"{settings.channels} channels cannot be shared among {name} "
                    f"{getattr(settings, name)}; choose a multiple"
                )
        if train is not None:
            imagined = self._imagined()
            plans = [FlowPlan.of(architecture) for architecture in train.present]
            built["widths"], built["by_depth"] = kinds_of_pieces(plans)
            built["relative"] = not built["by_depth"]
        widths = {str(key): int(width) for key, width in built["widths"].items()}
        module = FlowModule(
            settings,
            widths,
            by_depth=bool(built["by_depth"]),
            conditions=self.conditions.channels,
            # Flows of several depths that were kept before places were relative lack it.
            relative=bool(built.get("relative", False)),
        )
        if train is not None:
            kinds = train.kind.unique().tolist()
            module.begin([(train.architectures[n], train.rows(n)) for n in kinds], self.seed)
            if settings.behaviour and self._given is not None:
                module.answers = self._answers(train, imagined, *self._given)
                for function in imagined:
                    self._require_makeable(module, function)
                everything = self._passes * len(train)
                module.warm_up = int(settings.behaviour_start * everything)
                # Networks of sizes that were learnt from become good first.
                module.until_imagined = (module.warm_up + everything) // 2
                if module.answers is not None:
                    self._require_patience(settings.behaviour_start * self._passes)
        return module

    def _require_makeable(self, module: FlowModule, function: Function) -> None:
        """Refuse sizes that no flow of these networks makes, before the first step."""
        try:
            module.plan(function.architecture)
        except GeneratorError as error:
            raise GeneratorError(
                f"behaviour_sizes={self.settings.behaviour_sizes} ask for what cannot be made: "
                f"{error}"
            ) from error

    def _require_patience(self, before: float) -> None:
        """Refuse to wait less long than until answers count, by which the epoch is chosen."""
        patience = self.settings.patience
        if patience is not None and patience <= before:
            raise GeneratorError(
                f"patience={patience} may end the training before answers count, after "
                f"{before:.4g} epochs; choose a larger one, or a smaller behaviour_start than "
                f"{self.settings.behaviour_start:g}"
            )

    def _imagined(self) -> list[Function]:
        """What networks of sizes do of which none need be trained."""
        sizes = self.settings.behaviour_sizes
        return [
            self._functions.find(dict(zip(sizes, values, strict=True)))[0]
            for values in product(*sizes.values())
            if sizes
        ]

    def _answers(
        self, train: Population, imagined: list[Function], inputs: Tensor, labels: Tensor
    ) -> Answers | None:
        """What training networks answer, and networks that are imagined; None where there are only
        samples of a zoo, nobody asked for answers, and networks have none."""
        try:
            return Answers.of(train, inputs, labels, imagined)
        except GeneratorError:
            if self._asks_for_behaviour or self._given is not self._data:
                raise
            return None

    def _calibrate(self, module: FlowModule, population: Population) -> None:
        """Let networks that are made vary as much as those that were learnt from, and, where all
        are of one function, be as far from the nearest of these as they are from one another."""
        present, generator = module.architectures, torch.Generator().manual_seed(self.seed)
        count = max(self.settings.calibration // len(present), 2)
        codes = [self.conditions.asked(None, count, generator)[0] for _ in present]
        module.calibrate(zip(present, codes, strict=True), generator)
        trainings = {checkpoint.model for checkpoint in population.checkpoints}
        if len(population.function.unique()) > 1 or len(trainings) < _LEAST_TRAININGS:
            return

        def made(factor: float) -> Rows:
            generator = torch.Generator().manual_seed(self.seed)
            with torch.no_grad():
                return module.draw(count, present[0], codes[0], generator, factor)

        module.coordinates.stretch(stretch(population, made, self.settings.calibration))

    def _identity(self) -> str:
        flow = self._flow()
        own = f"{super()._identity()} {'' if flow.answers is None else flow.answers.digest}"
        return f"{own} relative places" if flow.network.relative else own

    def _draw(
        self,
        count: int,
        architecture: Architecture,
        codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:
        return self._flow().draw(count, architecture, codes, generator)

    def _flow(self) -> FlowModule:
        module = self._fitted()
        assert isinstance(module, FlowModule)
        return module
