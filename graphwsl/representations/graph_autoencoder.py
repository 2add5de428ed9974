"""An autoencoder on the neural graph, equivariant under every permutation of units.

A unit's numbers are its incoming weights and its own parameters. The weights are told by
orthonormal codes of their sources, which the latents of these sources give, depth by depth; units
of a depth attend to one another as a set. So what is read depends on no order of units, and latents
change places with them: no alignment, no reference network, no augmentation, and one model for any
architecture whose units follow one another.
"""

from typing import Any, ClassVar

from torch import Tensor

from graphwsl.errors import RepresentationError
from graphwsl.populations.layer_statistics import layer_entries
from graphwsl.populations.population import Population
from graphwsl.representations.graph_network import GraphNetwork
from graphwsl.representations.graph_plan import GraphPlan
from graphwsl.representations.graph_pooling import pooled
from graphwsl.representations.graph_settings import GraphSettings
from graphwsl.representations.known import Known
from graphwsl.representations.layer_maps import kinds_of
from graphwsl.representations.representation import Representation


class GraphAutoencoder(Representation):
    """Latents of units from a network on the graph, equivariant under all permutations."""

    name = "graph_autoencoder"
    mixed: ClassVar[bool] = True
    settings: GraphSettings
    published = GraphSettings(
        latent_channels=128,
        channels=512,
        blocks=4,
        heads=8,
        structure=0.1,
        queries=256,
        epochs=100,
        batch_size=32,
        learning_rate=1e-4,
    )
    small = published.replaced(
        latent_channels=64, channels=128, blocks=2, heads=4, structure=0.1, queries=64, epochs=30,
        batch_size=64, learning_rate=1e-4,
    )  # fmt: skip

    def _build(self, train: Population | None, built: dict[str, Any]) -> GraphNetwork:
        settings = self.settings
        if settings.contrast or settings.views or settings.align or settings.erase:
            raise RepresentationError(
                "views of a network have equal latents in graph_autoencoder, which needs no "
                "augmentation and no alignment; set contrast, views and erase to 0, align to False"
            )
        if settings.channels % settings.heads:
            raise RepresentationError(
                f"{settings.channels} channels cannot be shared among {settings.heads} heads; "
                "choose a multiple"
            )
        if train is not None:
            layouts = [GraphPlan.of(one).tokenizer.layout for one in train.present]
            built["width"] = max(layout.mask.shape[1] for layout in layouts)
            kinds = {kind for layout in layouts for kind in kinds_of(layout)}
            built["layers"] = max(len(layer_entries(one)) for one in train.present)
            built["kinds"] = [list(kind) for kind in sorted(kinds)]
        kinds_found = [(int(kind), int(width)) for kind, width in built["kinds"]]
        return GraphNetwork(settings, int(built["width"]), kinds_found)

    def _pooled(self, known: Known, rows: Tensor, latents: Tensor) -> Tensor:
        """See :mod:`graphwsl.representations.graph_pooling`; the mean in files of before."""
        if "layers" not in self._built:
            return super()._pooled(known, rows, latents)
        assert isinstance(self.module, GraphNetwork)
        layer_of = self.module.plan(known).tokenizer.layout.positions[:, 1]
        return pooled(known.architecture, rows, latents, layer_of, int(self._built["layers"]))
