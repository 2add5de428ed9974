"""From what the rules wrote down to the graph: units that matter become nodes."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from graphwsl.neural_graph.builder import GraphBuilder, WeightUse
from graphwsl.neural_graph.colouring import colour_by
from graphwsl.neural_graph.elements import (
    EdgeBlock,
    NodeFunction,
    NodeParameter,
    NodeRelation,
    OpaqueOperator,
)
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.neural_graph.program import Program
from graphwsl.neural_graph.roles import RelationKind
from graphwsl.neural_graph.units import NOTHING, NodeKind, occurrences
from graphwsl.neural_graph.values import Value


def assemble(
    program: Program, builder: GraphBuilder, outputs: list[Value], offsets: dict[str, int]
) -> NeuralGraph:
    """The graph of a program that has been followed."""
    sources = {id(use): _sources(builder, use) for use in builder.weights}
    number = _numbers(builder, sources, outputs)
    kept = torch.nonzero(number >= 0).flatten()
    units = builder.units
    blocks = tuple(
        EdgeBlock(
            operator=use.operator,
            sources=_renumbered(number, sources[id(use)]),
            targets=_renumbered(number, use.targets),
            tags=occurrences(sources[id(use)]),
            entries=use.entries,
            kernel=use.kernel,
            layer=use.call,
            is_linear=use.is_linear,
        )
        for use in builder.weights
    )
    returned = [value.units.unique() for value in outputs if value.units is not None]
    return NeuralGraph(
        state=program.state,
        aliases=program.ties.aliases,
        views=program.ties.views,
        extra_state=program.extra_state,
        parameters=program.parameters,
        offsets=offsets,
        kinds=units.kinds[kept],
        calls=units.calls[kept],
        colours=units.colours[kept],
        pinned=_kept(number, units.pinned),
        inputs=tuple(_renumbered(number, some) for some in builder.inputs),
        outputs=_kept(number, torch.cat(returned).unique() if returned else units.pinned[:0]),
        blocks=blocks,
        node_parameters=tuple(
            NodeParameter(
                use.operator,
                use.role,
                use.call,
                _renumbered(number, use.units),
                occurrences(use.units[None])[0],
                use.entries,
                use.is_linear,
            )
            for use in builder.parameters
        ),
        relations=_relations(builder, number),
        functions=tuple(
            NodeFunction(kind, _kept(number, some)) for kind, some in builder.functions
        ),
        opaque=tuple(OpaqueOperator(name, entries) for name, entries in builder.opaque),
        bundles=tuple(builder.bundles),
        program=program,
        looked_at=tuple(dict.fromkeys(builder.looked_at)),
    )


def _sources(builder: GraphBuilder, use: WeightUse) -> Int[Tensor, "groups sources"]:
    """Weights that several calls share read several units, step by step."""
    first = use.sources[0]
    if len(use.sources) == 1 or all(torch.equal(first, other) for other in use.sources[1:]):
        return first
    builder.units.call = use.call
    steps = torch.stack([source.flatten() for source in use.sources], dim=1)
    composites = builder.units.composite(steps)
    # What is read at other positions of its units is coloured by those.
    positions = [torch.where(some == NOTHING, 0, occurrences(some)) for some in use.sources]
    _, marks = torch.stack([some.flatten() for some in positions], dim=1).unique(
        dim=0, return_inverse=True
    )
    colour_by(builder.units, composites, marks)
    return composites.view(first.shape)


def _numbers(
    builder: GraphBuilder, sources: dict[int, Any], outputs: list[Value]
) -> Int[Tensor, " units"]:
    """Node numbers of the units; -1 for elements of the inputs that nothing reads as they are."""
    used = torch.ones(len(builder.units), dtype=torch.bool)
    is_input = builder.units.kinds == NodeKind.INPUT
    used[is_input] = False
    read = [
        *sources.values(),
        *(use.units for use in builder.parameters),
        *(relation.arguments for relation in builder.units.relations),
        *(value.units for value in outputs if value.units is not None),
    ]
    for units in read:
        used[units[units >= 0]] = True
    numbers = torch.cumsum(used, dim=0) - 1
    return torch.where(used, numbers, -1)


def _renumbered(number: Int[Tensor, " units"], units: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    return torch.where(units >= 0, number[units.clamp(min=0)], -1)


def _kept(number: Int[Tensor, " units"], units: Int[Tensor, " some"]) -> Int[Tensor, " kept"]:
    units = number[units[units >= 0]]
    return units[units >= 0]


def _relations(builder: GraphBuilder, number: Int[Tensor, " units"]) -> tuple[NodeRelation, ...]:
    grouped: dict[tuple[RelationKind, int], list[tuple[Tensor, Tensor]]] = {}
    for relation in builder.units.relations:
        pair = (number[relation.arguments], number[relation.results])
        grouped.setdefault((relation.kind, relation.call), []).append(pair)
    return tuple(
        NodeRelation(
            kind,
            call,
            torch.cat([first for first, _ in pairs]),
            torch.cat([second for _, second in pairs]),
        )
        for (kind, call), pairs in grouped.items()
    )
