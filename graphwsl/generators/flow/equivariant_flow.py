"""Flow matching whose velocity is a graph metanetwork, equivariant under all permutations.

Networks of independent seeds need no alignment and no augmentation: a network and all its
permutations are one. One model makes networks of several architectures, and of widths and depths
that it has not seen. Announced by Piven et al. (arXiv:2609.32833, 2026), whose code is not known;
``published`` are our settings for large machines.
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import GeneratorError
from graphwsl.generators.conditions import Codes, Condition
from graphwsl.generators.flow.coordinates import kinds_of_pieces
from graphwsl.generators.flow.flow_module import FlowModule
from graphwsl.generators.flow.plan import FlowPlan
from graphwsl.generators.flow.settings import FlowSettings
from graphwsl.generators.generator import Generator
from graphwsl.generators.module import Rows
from graphwsl.populations.population import Architecture, Population


class EquivariantFlow(Generator):
    """Networks from noise, along the velocity of a metanetwork on the neural graph."""

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
        learning_rate=3e-3, weight_decay=0.01, average_decay=0.998, held_out=0.0,
    )  # fmt: skip

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
            GeneratorError: Not fitted, rows of another architecture, or not a time from 0 to 1 for
                each.
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
        outside = ~((time >= 0) & (time <= 1))
        if outside.any():
            raise GeneratorError(f"time must be from 0 to 1, got {float(time[outside][0]):g}")
        generator = torch.Generator().manual_seed(0)
        codes, _ = self.conditions.asked(condition, len(rows), generator)
        return flow.velocity_of_rows(rows.float(), time.float(), architecture, codes)

    def _build(self, train: Population | None, built: dict[str, Any]) -> FlowModule:
        settings = self.settings
        for name in ("heads", "edge_channels"):
            if settings.channels % getattr(settings, name):
                raise GeneratorError(
                    f"{settings.channels} channels cannot be shared among {name} "
                    f"{getattr(settings, name)}; choose a multiple"
                )
        if train is not None:
            plans = [FlowPlan.of(architecture) for architecture in train.present]
            built["widths"], built["by_depth"] = kinds_of_pieces(plans)
        widths = {str(key): int(width) for key, width in built["widths"].items()}
        module = FlowModule(
            settings, widths, by_depth=bool(built["by_depth"]), conditions=self.conditions.channels
        )
        if train is not None:
            kinds = train.kind.unique().tolist()
            module.begin([(train.architectures[n], train.rows(n)) for n in kinds], self.seed)
        return module

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
