"""Calls public functions with values of wrong types, and prints what is no error of the package.

Runs as a program of its own, since the shape checks of the test run would refuse such calls first.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import graphwsl
from gnncore.storage import StorageError
from graphwsl import imports, landscape, populations, properties, representations, testing, zoo
from graphwsl.alignment import align, align_population, align_to, canonical_form
from graphwsl.errors import GraphwslError
from graphwsl.generators.data_set_conditions import DescribedConditions
from graphwsl.generators.functions import Functions
from graphwsl.generators.lora.conditions import PromptConditions
from graphwsl.neural_graph import collate
from graphwsl.populations.population import Function
from graphwsl.symmetries import GroupElement, symmetries, verify

WRONG: list[Any] = [
    None,
    "x",
    "",
    [],
    [1],
    {},
    {"x": 1},
    -1,
    float("nan"),
    1.5,
    (1,),
    np.array([1.0]),
    torch.zeros(2),
    b"x",
    object(),
]

MODEL = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
X = torch.zeros(1, 3)
STATE = MODEL.state_dict()
GRAPH = graphwsl.neural_graph(MODEL, X)
GROUP = symmetries(GRAPH)
ELEMENT = GROUP.random(torch.Generator().manual_seed(0))
DATA = GRAPH.to_data()

ZOO = [zoo.Checkpoint(str(number), 0, {"seed": number}, {"x": number}) for number in range(9)]
FUNCTION = Function.of(MODEL, X, "small")
FLAT = GRAPH.flat(dtype=torch.float32)
POPULATION = populations.Population.alike(ZOO, [FLAT * (1 + n / 9) for n in range(9)], FUNCTION)
ARCHITECTURE, ROWS = FUNCTION.architecture, POPULATION.rows(0)
BANK = populations.ViewBank.draw(GROUP, 2)
SPLIT = populations.split_models(ZOO)
PREDICTOR = properties.make_predictor("weight_statistics_ridge").fit(POPULATION, SPLIT, "x")

MADE = representations.make("behavioural", channels=4, blocks=1, latent_channels=2, epochs=1)
INPUTS = torch.zeros(3, 3)

MEASURED = {
    "module": MODEL,
    "loss": torch.nn.functional.mse_loss,
    "batches": [(X, torch.ones(1, 2))],
}
STATES = {"state_a": STATE, "state_b": STATE}


def message_passing(graph: Any, x: Any) -> Any:
    return testing.message_passing(graph, x)


def condition(names: Any) -> Any:
    return DescribedConditions.of(names, ZOO)


def condition_of_adapters(names: Any) -> Any:
    return PromptConditions.of(names, [zoo.Checkpoint("0", 0, {"prompts": "accept two"}, {})])


CALLS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (graphwsl.neural_graph, {"model": MODEL, "example_inputs": X, "unknown": "opaque"}),
    (GRAPH.flat, {"state": STATE, "dtype": None}),
    (GRAPH.with_weights, {"state": STATE}),
    (GRAPH.to_data, {"state": STATE}),
    (GRAPH.to_hetero_data, {"state": STATE}),
    (collate, {"graphs": [DATA]}),
    (symmetries, {"graph": GRAPH}),
    (GROUP.random, {"generator": None, "largest_factor": 2.0}),
    (GroupElement.identity, {"graph": GRAPH}),
    (ELEMENT.then, {"other": ELEMENT}),
    (ELEMENT.apply, {"state": STATE}),
    (verify, {"element": ELEMENT, "inputs": (X,), "seed": 0, "draws": 1}),
    (align, {"symmetries": GROUP, "state": STATE, "generator": None, "max_sweeps": 3}),
    (testing.assert_exact, {"graph": GRAPH, "model": MODEL}),
    (message_passing, {"graph": GRAPH, "x": X}),
    (imports.load_model, {"reference": "no.onnx", "shapes": None}),
    (imports.read_state_dict, {"path": "no.pt", "entry": None}),
    (imports.from_onnx, {"source": "no.onnx"}),
    (imports.load_into, {"module": MODEL, "state": STATE}),
    (imports.from_checkpoint, {"module": MODEL, "path": "no.pt"}),
    (imports.from_safetensors, {"module": MODEL, "path": "no.safetensors"}),
    (zoo.open_zoo, {"path": "no"}),
    (zoo.parents_of, {"zoo": "no"}),
    (zoo.write_ray_tune, {"zoo": "no", "out": "out"}),
    (zoo.build, {"name": "mlp", "configuration": {"width": 4, "depth": 1, "image_size": 8}}),
    (properties.make_predictor, {"name": "deep_sets"}),
    (properties.load_predictor, {"folder": "no"}),
    (populations.split_models, {"checkpoints": ZOO, "seed": 0, "together": (), "held_out": None}),
    (properties.train_predictor, {"zoo": "no", "out": "out", "target": "x", "seed": 0}),
    (PREDICTOR.fit, {"zoo": POPULATION, "split": SPLIT, "target": "x", "seed": 0}),
    (PREDICTOR.predict, {"zoo": POPULATION, "checkpoints": None}),
    (representations.make, {"name": "sane", "size": "small", "seed": 0, "epochs": 1}),
    (representations.load, {"folder": "no"}),
    (MADE.fit, {"train": POPULATION, "valid": POPULATION, "epochs": 1, "inputs": INPUTS}),
    (MADE.embed, {"population": POPULATION, "full": False}),
    (MADE.reconstruct, {"population": POPULATION}),
    (populations.Population.load, {"zoo": POPULATION, "checkpoints": None}),
    (condition, {"names": "x"}),
    (condition_of_adapters, {"names": None}),
    (Functions([FUNCTION], []).find, {"architecture": {"architecture": "mlp", "width": 4}}),
    (POPULATION.select, {"numbers": [1, 0]}),
    (POPULATION.rows, {"kind": 0}),
    (populations.tokenize, {"rows": ROWS, "architecture": ARCHITECTURE, "width": 4}),
    (populations.unflat, {"rows": ROWS, "architecture": ARCHITECTURE}),
    (populations.views, {"rows": ROWS, "symmetries": GROUP, "generator": None}),
    (populations.ViewBank.draw, {"symmetries": GROUP, "count": 2}),
    (BANK.apply, {"rows": ROWS, "numbers": torch.zeros(len(ROWS), dtype=torch.int64)}),
    (
        populations.evaluate,
        {"inputs": X, "labels": torch.zeros(1, dtype=torch.int64)} | {"population": POPULATION},
    ),
    (populations.metrics.add, {"zoo": POPULATION, "name": "y", "values": [1.0] * 9}),
    (canonical_form, {"rows": ROWS, "symmetries": GROUP}),
    (align_population, {"symmetries": GROUP, "rows": ROWS, "generator": None}),
    (align_to, {"symmetries": GROUP, "rows": ROWS, "reference": ROWS[0]}),
    (zoo.Recipe.of, {"values": {}}),
    (zoo.Recipe.resolve, {"source": "no"}),
    (zoo.train_zoo, {"recipe": "no", "out": "out", "workers": 1}),
    (populations.Target.of, {"name": "x", "checkpoints": []}),
    (landscape.hessian_trace, {**MEASURED, "probes": 1, "generator": None}),
    (landscape.largest_eigenvalues, {**MEASURED, "count": 1, "tolerance": 1e-3}),
    (landscape.mode_connectivity, {**MEASURED, **STATES, "steps": 1, "learning_rate": 0.1}),
    (landscape.linear_connectivity, {**MEASURED, **STATES, "points": 3}),
    (landscape.average, {"states": [STATE]}),
    (landscape.cka, {"x": torch.eye(5), "y": torch.eye(5)}),
    (landscape.measure, {"zoo": POPULATION, "settings": None, "data": None}),
]


def main() -> None:
    """One line a call that ends in a foreign exception."""
    warnings.simplefilter("ignore")
    for function, usable in CALLS:
        for name in usable:
            for wrong in WRONG:
                try:
                    function(**{**usable, name: wrong})
                except (GraphwslError, StorageError) as error:
                    if "\n" in str(error):
                        print(f"{function.__name__}({name}={wrong!r}): several lines: {error}")
                except AssertionError as error:
                    if function is not testing.assert_exact:  # which says so of other weights
                        print(f"{function.__name__}({name}={wrong!r}): AssertionError: {error}")
                except Exception as error:
                    kind = type(error).__name__
                    print(f"{function.__name__}({name}={wrong!r}): {kind}: {error}")


if __name__ == "__main__":
    main()
