"""Statistics of the weights, layer by layer: what predicts accuracy astonishingly well.

Unterthiner et al., "Predicting Neural Network Accuracy from Weights", 2020, and Schürholt et al.,
"Self-Supervised Representation Learning on Neural Network Weights for Model Characteristic
Prediction", 2021: mean, variance and quantiles of each layer's weights, and of its biases.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from graphwsl.populations.population import Architecture, Population

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
PER_SET = 2 + len(QUANTILES)
PER_LAYER = 2 * PER_SET


@dataclass(frozen=True)
class LayerStatistics:
    """Which columns the statistics of a network fill.

    Networks of equal depth have one layer a slot. Otherwise each layer fills two: one counted from
    the front and one from the back, so that first and last layers are compared with their likes
    whatever lies between. Columns of layers that a network does not have are NaN.

    Attributes:
        layers: The largest number of layers.
        equal: Whether all networks have so many.
    """

    layers: int
    equal: bool

    @classmethod
    def for_population(cls, population: Population) -> "LayerStatistics":
        """The columns that suit these networks."""
        counts = {len(layer_entries(a)) for a in population.present}
        return cls(max(counts), len(counts) == 1)

    @property
    def num_columns(self) -> int:
        """Number of statistics of a network: 14 for each slot of a layer."""
        return self.layers * PER_LAYER * (1 if self.equal else 2)

    def of(self, population: Population) -> Float[np.ndarray, "networks columns"]:
        """The statistics of every network."""
        table = np.full((len(population), 1 if self.equal else 2, self.layers, PER_LAYER), np.nan)
        for kind in population.kind.unique().tolist():
            members = (population.kind == kind).numpy()
            layers = layer_statistics(
                population.architectures[kind], population.rows(kind).double().numpy()
            )
            count = min(layers.shape[1], self.layers)
            part = np.full((len(layers), *table.shape[1:]), np.nan)
            part[:, 0, :count] = layers[:, :count]
            if not self.equal:
                part[:, 1, self.layers - count :] = layers[:, layers.shape[1] - count :]
            table[members] = part
        return table.reshape(len(population), self.num_columns)


def layer_entries(architecture: Architecture) -> list[tuple[np.ndarray, np.ndarray]]:
    """For every layer (module), the indices of its weights and of its vectors, such as biases."""
    layers: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    graph = architecture.graph
    for name, start in graph.offsets.items():
        tensor = graph.state[name]
        if tensor.is_floating_point():
            module = name.rpartition(".")[0] if name.endswith(("weight", "bias")) else name
            sets = layers.setdefault(module, ([], []))
            sets[tensor.ndim < 2].append(np.arange(start, start + tensor.numel()))
    empty = np.zeros(0, dtype=np.int64)
    return [
        (np.concatenate([empty, *weights]), np.concatenate([empty, *vectors]))
        for weights, vectors in layers.values()
    ]


def layer_statistics(
    architecture: Architecture, states: Float[np.ndarray, "networks entries"]
) -> Float[np.ndarray, "networks layers statistics"]:
    """Mean, variance and quantiles of weights and then of biases; NaN where there are none.

    Args:
        architecture: What all of the networks have in common.
        states: The flattened state of each.
    """
    columns = []
    for sets in layer_entries(architecture):
        statistics = []
        for entries in sets:
            if not len(entries):
                statistics.append(np.full((PER_SET, len(states)), np.nan))
                continue
            values = states[:, entries]
            statistics.append(
                np.stack([values.mean(1), values.var(1), *np.quantile(values, QUANTILES, axis=1)])
            )
        columns.append(np.concatenate(statistics).T)
    return np.stack(columns, axis=1)
