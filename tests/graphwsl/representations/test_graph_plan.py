"""What units read, against the matrices of a chain of layers."""

import pytest
import torch

from graphwsl.representations.graph_plan import GraphPlan
from tests.graphwsl.representations.representation_cases import parts


@pytest.mark.parametrize("number", [0, 1])
def test_readings_hold_the_weights_between_their_units_and_no_others(number: int) -> None:
    architecture = parts("mixed").train.architectures[number]
    graph, plan = architecture.graph, GraphPlan.of(architecture)
    entries = torch.arange(architecture.num_entries).float()
    numbers = plan.tokenizer.tokens(entries[None]).values[0]
    matrices = {
        name: entries[start:][: graph.state[name].numel()].view(graph.state[name].shape)
        for name, start in graph.offsets.items()
        if graph.state[name].ndim == 2
    }
    units = [len(matrix) for matrix in matrices.values()]
    of_layer = torch.arange(sum(units)).split(units)  # a token a unit, layer by layer
    # Inputs are no units, so that readings begin with the second layer.
    readings = [(stage, one) for stage in plan.stages for one in stage.readings]
    assert len(readings) == len(matrices) - 1
    for layer, (stage, reading) in enumerate(readings, start=1):
        matrix = list(matrices.values())[layer]
        assert torch.equal(stage.tokens, of_layer[layer])
        targets = stage.tokens[reading.units[0]]
        assert torch.equal(targets.sort().values, of_layer[layer])
        before = plan.nodes[of_layer[layer - 1]].tolist()
        sources = [before.index(node) for node in reading.sources[0].tolist()]
        assert sorted(sources) == list(range(len(before)))
        for target in targets.tolist():
            for source, columns in zip(sources, reading.columns[0], strict=True):
                expected = matrix[target - int(of_layer[layer][0]), source]
                assert numbers[target, columns].tolist() == [float(expected)]


def test_outputs_alone_are_fixed_and_every_token_follows_once() -> None:
    for architecture in parts("mixed").train.architectures:
        plan = GraphPlan.of(architecture)
        outputs = next(reversed(architecture.graph.state.values())).numel()
        count = len(plan.nodes)
        assert plan.is_fixed.tolist() == [token >= count - outputs for token in range(count)]
        followed = torch.cat([stage.tokens for stage in plan.stages])
        assert followed.sort().values.tolist() == list(range(count))
        assert len(plan.nodes.unique()) == count <= plan.num_nodes
