"""A zoo that trains in a second, and its parts."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from graphwsl.generators.made import population_of
from graphwsl.populations import Function, Population
from graphwsl.zoo.architectures.registry import build
from graphwsl.zoo.checkpoint import Checkpoint
from graphwsl.zoo.data import load_images
from graphwsl.zoo.data_set import DataSet
from graphwsl.zoo.inputs import example_inputs
from graphwsl.zoo.training import train_chunk

MODELS, EPOCHS = 36, 6


@dataclass(frozen=True, eq=False)
class Case:
    """Networks that were trained alike, cut in three."""

    train: Population
    held_out: Population
    others: Population
    data: DataSet

    @property
    def inputs(self) -> Tensor:
        return self.data.test

    @property
    def labels(self) -> Tensor:
        return self.data.test_labels

    @property
    def function(self) -> Function:
        return self.train.functions[0]

    def made(self, rows: Tensor) -> Population:
        return population_of(rows, self.function, "made")

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.train, self.held_out, self.inputs, self.labels


@cache
def zoo_case(activation: str = "tanh") -> Case:
    full = load_images("digits")
    data = DataSet(
        full.train[:400], full.train_labels[:400], full.test[:200], full.test_labels[:200], 10
    )
    factors = {
        "architecture": "mlp",
        "width": 8,
        "depth": 1,
        "activation": activation,
        "initialisation": "kaiming_uniform",
        "optimiser": "adam",
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "dropout": 0.0,
        "data_fraction": 1.0,
        **data.factors,
    }
    configurations = [{**factors, "seed": seed} for seed in range(MODELS)]
    trained = train_chunk(configurations, data, epochs=EPOCHS, batch_size=32, kept=[EPOCHS])
    function = Function.of(build("mlp", factors).eval(), example_inputs(factors), "mlp")
    graph = function.architecture.graph
    states = [
        graph.flat({name: values[n, 0] for name, values in trained.weights.items()},
                   dtype=torch.float32)
        for n in range(MODELS)
    ]  # fmt: skip
    checkpoints = [Checkpoint(f"{n:02d}", EPOCHS, dict(configurations[n]), {})
                   for n in range(MODELS)]  # fmt: skip
    everyone = Population.alike(checkpoints, states, function)
    return Case(
        everyone.select(range(16)),
        everyone.select(range(16, 26)),
        everyone.select(range(26, 36)),
        data,
    )
