"""Weight matching: the permutation of one network whose weights are closest to another's.

S. K. Ainsworth, J. Hayase, S. Srinivasa, "Git Re-Basin: Merging models modulo permutation
symmetries" (2023), Algorithm 1, for any architecture that can be traced: the orbits come from the
neural graph, so that residual streams, attention heads and recurrent cells need no specification.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from graphwsl import arguments
from graphwsl.neural_graph.elements import EdgeBlock, NodeParameter
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.symmetries.element import GroupElement, moves
from graphwsl.symmetries.group import Symmetries
from graphwsl.symmetries.orbits import Orbit

Use = EdgeBlock | NodeParameter


@dataclass(frozen=True)
class Alignment:
    """The result of matching.

    Attributes:
        element: The symmetry to apply to the second network.
        state: Its weights afterwards.
        distance_before: Euclidean distance of the weights before.
        distance: The same afterwards.
        sweeps: How often all orbits were matched.
    """

    element: GroupElement
    state: dict[str, Any]
    distance_before: float
    distance: float
    sweeps: int


def align(
    symmetries: Symmetries,
    state: Mapping[str, Tensor],
    *,
    generator: torch.Generator | None = None,
    max_sweeps: int = 100,
) -> Alignment:
    """Permute ``state`` to be as close as possible to the network of ``symmetries``.

    Orbit after orbit, in random order, the parts are assigned to those of the first network that
    their weights agree with most, all others held fixed, until nothing improves. The distance
    never grows; the best of all permutations is not guaranteed (the problem is NP-hard).

    Args:
        symmetries: Symmetries of the network that stays.
        state: Weights of another network of the architecture.
        generator: Draws the order of the orbits.
        max_sweeps: Stop after so many even if distances still fall.

    Raises:
        InvalidArgumentError: An argument of another type.
        StateMismatchError: The weights are of another architecture.

    >>> group = symmetries(graph)  # doctest: +SKIP
    >>> align(group, other_model.state_dict()).distance  # doctest: +SKIP
    """
    advice = "give graphwsl.symmetries.symmetries(graph) of the network that stays"
    arguments.instance("symmetries", symmetries, Symmetries, "Symmetries", advice)
    arguments.state(state)
    arguments.generator("generator", generator)
    arguments.whole("max_sweeps", max_sweeps, 0)
    graph = symmetries.graph
    own, other = graph.flat(), graph.flat(state)
    element = GroupElement.identity(graph)
    moved, sweeps = other, 0
    is_parameter = parameter_mask(graph)

    def distance(flat: Tensor) -> float:
        return float((flat - own)[is_parameter].norm())

    before = distance(other)
    uses = [[use for use in graph.uses if _touches(use, orbit)] for orbit in symmetries.orbits]
    improved = True
    while improved and sweeps < max_sweeps:
        improved = False
        sweeps += 1
        for number in torch.randperm(len(uses), generator=generator).tolist():
            orbit = symmetries.orbits[number]
            agreement = sum(_agreement(use, orbit, own, moved) for use in uses[number])
            if not isinstance(agreement, Tensor):
                continue
            _, matches = linear_sum_assignment(agreement.numpy(), maximize=True)
            # Part matches[i] of the other network is sent to part i.
            order = torch.from_numpy(matches).argsort()
            step = symmetries.permuted(orbit, order)
            flat = moved.clone()
            for use in uses[number]:
                for source, target, _ in moves(use, step.image, step.factors):
                    flat[target] = moved[source]
            if distance(flat) < distance(moved) * (1 - 1e-12):
                element, moved, improved = element.then(step), flat, True
    return Alignment(element, element.apply(state), before, distance(moved), sweeps)


def parameter_mask(graph: NeuralGraph) -> Tensor:
    """Which entries are parameters; running statistics follow but do not count."""
    return torch.cat(
        [
            torch.full((tensor.numel(),), name in graph.parameters)
            for name, tensor in graph.state.items()
        ]
    )


def _touches(use: Use, orbit: Orbit) -> bool:
    if isinstance(use, EdgeBlock):
        nodes = torch.cat([use.targets.flatten(), use.sources.flatten()])
    else:
        nodes = use.nodes
    return bool(torch.isin(orbit.nodes.flatten(), nodes).any())


def _agreement(
    use: Use, orbit: Orbit, own: Shaped[Tensor, " entries"], other: Shaped[Tensor, " entries"]
) -> Float[Tensor, "parts parts"]:
    """Inner products of the weights of every part with those of every part of the other."""
    total = torch.zeros(len(orbit.nodes), len(orbit.nodes), dtype=torch.float64)
    for entries in part_entries(use, orbit):
        present = entries >= 0
        ours = torch.where(present, own[entries.clamp(min=0)], 0.0)
        theirs = torch.where(present, other[entries.clamp(min=0)], 0.0)
        # What is left of |ours - theirs|² when the sum of squares is taken away.
        product = ours @ theirs.mH
        total += product.real if product.is_complex() else product
    return total


def part_entries(use: Use, orbit: Orbit) -> list[Tensor]:
    """Entries at the nodes of the parts: one row a part, corresponding entries in one column."""
    if not isinstance(use, EdgeBlock):
        return _gathered(use.nodes[:, None], use.entries[:, None], orbit)
    groups, targets, sources, _ = use.entries.shape
    by_target = use.entries.reshape(groups * targets, -1)
    by_source = use.entries.transpose(1, 2).reshape(groups * sources, -1)
    return [
        *_gathered(use.targets.reshape(-1, 1), by_target, orbit),
        *_gathered(use.sources.reshape(-1, 1), by_source, orbit),
    ]


def _gathered(nodes: Tensor, entries: Tensor, orbit: Orbit) -> list[Tensor]:
    """Rows of ``entries`` whose node is in the orbit, sorted into parts."""
    flat = nodes.flatten()
    order = flat.argsort(stable=True)
    ordered = flat[order]
    rows = []
    for column in orbit.nodes.T.contiguous():
        start = torch.searchsorted(ordered, column)
        stop = torch.searchsorted(ordered, column, right=True)
        count = int((stop - start).min())
        if count and bool((stop - start == count).all()):
            indices = order[start[:, None] + torch.arange(count)]
            rows.append(entries[indices].flatten(1))
    return rows
