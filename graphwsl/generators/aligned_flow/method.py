"""Flow matching on aligned networks: the published way to networks without tuning.

"DeepWeightFlow: Re-Basined Flow Matching for Generating Neural Network Weights" (ICLR 2026). All
networks are permuted to be close to one of them, once a training, and flattened; a perceptron moves
noise to them, or to their coordinates in principal components. The published 99 components of 100
networks are all that these have, so that every sample is an affine combination of them.

Other than in the published code, symmetries come from the neural graph; noise is drawn anew for
every step, not once for every network; and the epoch with the least loss on whole networks is kept,
not the step with the least loss on its batch.
"""

from typing import Any

import torch

from graphwsl.alignment.weight_matching import parameter_mask
from graphwsl.generators.aligned_flow.network import AlignedFlowModule
from graphwsl.generators.aligned_flow.settings import AlignedFlowSettings
from graphwsl.generators.components import PrincipalComponents
from graphwsl.generators.conditions import Codes
from graphwsl.generators.frames import Frame
from graphwsl.generators.generator import Generator
from graphwsl.generators.module import Rows
from graphwsl.generators.tensor_scales import TensorScales
from graphwsl.populations.population import Architecture, Population


class AlignedFlow(Generator):
    """Networks from noise, along the velocity of a perceptron on aligned, flattened networks."""

    name = "aligned_flow"
    settings: AlignedFlowSettings
    published = AlignedFlowSettings(
        epochs=2500, batch_size=8, learning_rate=5e-4, weight_decay=1e-5, warm_up=0.0,
        clip_norm=None, held_out=0.0,
    )  # fmt: skip
    small = published.replaced(epochs=1000, batch_size=32, learning_rate=1e-3, steps=20)

    def _build(self, train: Population | None, built: dict[str, Any]) -> AlignedFlowModule:
        settings = self.settings
        scales, components = None, None
        if train is None:
            if settings.normalise == "tensor":
                scales = TensorScales(int(built["tensors"]), int(built["whole"]))
            if settings.components is not None:
                size = int(built["components"])
                components = PrincipalComponents(size, int(built["parameters"]))
            return self._module(built, scales, components)
        rows, architecture = torch.stack(train.states), train.present[0]
        is_parameter = parameter_mask(architecture.graph)
        normalised = rows
        if settings.normalise == "tensor":
            scales = TensorScales.fit(rows, architecture)
            normalised = scales.normalise(rows)
            built |= {"tensors": len(scales.sizes), "whole": len(scales.counts)}
        built |= {"entries": rows.shape[1], "parameters": int(is_parameter.sum())}
        if settings.components is not None:
            components = PrincipalComponents.fit(normalised[:, is_parameter], settings.components)
            built["components"] = len(components.deviation)
        module = self._module(built, scales, components)
        module.is_parameter, module.others = is_parameter, rows.mean(dim=0)
        return module

    def _module(
        self,
        built: dict[str, Any],
        scales: TensorScales | None,
        components: PrincipalComponents | None,
    ) -> AlignedFlowModule:
        sizes = int(built["entries"]), int(built["parameters"])
        return AlignedFlowModule(
            self.settings, sizes[0], scales, components, sizes[1], self.conditions.channels
        )

    def _draw(
        self,
        count: int,
        architecture: Architecture,
        codes: Codes,
        generator: torch.Generator | None,
    ) -> Rows:
        del count, architecture
        module = self._fitted()
        assert isinstance(module, AlignedFlowModule)
        return module.draw(codes, generator)

    def _prepared(self, population: Population, *, learnt: bool) -> Population:
        if learnt:
            self._frame, population = Frame.of(population, self.settings.align)
            return population
        return self._frame.aligned(population)
