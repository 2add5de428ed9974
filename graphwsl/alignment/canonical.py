"""A canonical form: one network for all that are symmetric copies of one another."""

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from graphwsl import arguments
from graphwsl.alignment.population_alignment import entries_of_parts, permuted
from graphwsl.errors import GraphwslError
from graphwsl.neural_graph.elements import EdgeBlock
from graphwsl.symmetries.element import follows_factor
from graphwsl.symmetries.elements import Elements
from graphwsl.symmetries.group import Symmetries
from graphwsl.symmetries.scalings import Factors


def canonical_form(
    rows: Float[Tensor, "networks entries"],
    symmetries: Symmetries,
    *,
    permutations: bool = True,
    scalings: bool = True,
    signs: bool = True,
) -> Float[Tensor, "networks entries"]:
    """Networks of the same functions that are equal if they were symmetric copies.

    Positive factors are those of the smallest sum of squares. Signs make the largest weight of a
    unit positive, among those that read what comes before. Permutations sort the parts of every
    orbit by the sum of squares of their weights, then by the sorted weights.

    Copies by permutations and signs become equal bitwise, copies by other factors to rounding,
    where the parts of an orbit differ in their sets of weights. Parts of equal sets (as quantised
    and pruned networks have them) stay in the order that they came in, so that copies of such
    networks may have several forms, all of the same function. Units whose incoming or outgoing
    weights are all zero keep their factor.

    Args:
        rows: Flattened states.
        symmetries: Symmetries of their architecture.
        permutations: Whether to sort.
        scalings: Whether to choose positive factors.
        signs: Whether to choose signs.

    Raises:
        StateMismatchError: The rows are of another architecture.
        GraphwslError: The weights are complex, or some are not finite.
    """
    advice = "give graphwsl.symmetries.symmetries(graph) of the networks"
    arguments.instance("symmetries", symmetries, Symmetries, "Symmetries", advice)
    maps = symmetries.entry_maps
    maps.check(rows)
    if rows.is_complex() or not bool(rows.isfinite().all()):
        raise GraphwslError("only networks of finite, real weights can be sorted")
    if not len(rows):
        return rows
    for chosen, choose in ((scalings, _smallest), (signs, _positive), (permutations, _sorted)):
        if chosen:
            rows = choose(symmetries, rows)
    return rows


def _scaled(
    symmetries: Symmetries,
    rows: Tensor,
    factors: Factors,
    values: Float[Tensor, "networks classes"],
) -> Tensor:
    identity = Elements.identity(symmetries.graph, len(rows))
    by_node = values.double()[:, factors.classes]
    return symmetries.entry_maps.apply(Elements(symmetries.graph, identity.image, by_node), rows)


def _classes(symmetries: Symmetries, factors: Factors) -> tuple[Tensor, Tensor]:
    """For every entry the class whose factor it takes, and the one that it is divided by.

    -1 where there is none, and in both if they are the same.
    """
    of_node = torch.where(factors.allowed[factors.classes], factors.classes, -1)
    above = torch.full((symmetries.entry_maps.num_entries,), -1)
    below = above.clone()
    for use in symmetries.graph.uses:
        if isinstance(use, EdgeBlock):
            there = use.entries >= 0
            targets = of_node[use.targets][:, :, None, None].expand_as(use.entries)
            read = torch.where(use.sources >= 0, of_node[use.sources.clamp(min=0)], -1)
            above[use.entries[there]] = targets[there]
            below[use.entries[there]] = read[:, None, :, None].expand_as(use.entries)[there]
        elif follows_factor(use):
            above[use.entries] = of_node[use.nodes]
    is_both = above == below
    return above.masked_fill(is_both, -1), below.masked_fill(is_both, -1)


def _smallest(symmetries: Symmetries, rows: Tensor) -> Tensor:
    """Positive factors of the smallest sum of squares: a convex problem in their logarithms."""
    factors = symmetries.positive
    count = len(factors.allowed)
    if not bool(factors.allowed.any()):
        return rows
    above, below = _classes(symmetries, factors)
    # Squares by the pair of classes, the last one for none.
    pair = above % (count + 1) * (count + 1) + below % (count + 1)
    pairs, which = pair.unique(return_inverse=True)
    squares = torch.zeros(len(rows), len(pairs), dtype=torch.float64)
    squares.index_add_(1, which, rows.double().square())
    above, below = pairs // (count + 1), pairs % (count + 1)
    logs = torch.zeros(len(rows), count + 1, dtype=torch.float64)
    for _ in range(10_000):
        terms = squares * torch.exp(2 * (logs[:, above] - logs[:, below]))
        incoming = torch.zeros_like(logs).index_add_(1, above, terms)
        outgoing = torch.zeros_like(logs).index_add_(1, below, terms)
        # The exact step of one class is a quarter; all step at once, and so by less.
        step = 0.2 * (outgoing.log() - incoming.log())
        step = torch.where((incoming > 0) & (outgoing > 0), step, 0.0)
        step[:, count] = 0.0
        logs += step
        if float(step.abs().max()) < 1e-14:
            break
    return _scaled(symmetries, rows, factors, logs[:, :count].exp())


def _positive(symmetries: Symmetries, rows: Tensor) -> Tensor:
    """Signs that make the largest weight of every class positive, layer by layer."""
    factors, graph = symmetries.sign, symmetries.graph
    count = len(factors.allowed)
    if not bool(factors.allowed.any()):
        return rows
    above, below = _classes(symmetries, factors)
    # The layer of a class; what has no class is before all.
    layer = torch.full((count + 1,), -1)
    layer[:count] = graph.num_nodes
    layer[:count].scatter_reduce_(0, factors.classes, graph.calls, "amin")
    signs = torch.ones(len(rows), count + 1, dtype=torch.float64)
    allowed = torch.nonzero(factors.allowed).flatten()
    for one in allowed[layer[allowed].argsort(stable=True)].tolist():
        other = torch.where(above == one, below, above)
        is_own = (above == one) | (below == one)
        own = torch.nonzero(is_own & (layer[other] < layer[one])).flatten()
        if len(own):
            weights = rows[:, own] * signs[:, other[own]]
            largest = weights.gather(1, weights.abs().argmax(dim=1, keepdim=True))[:, 0]
            signs[:, one] = torch.where(largest < 0, -1.0, 1.0)
    return _scaled(symmetries, rows, factors, signs[:, :count])


def _sorted(symmetries: Symmetries, rows: Tensor) -> Tensor:
    """Parts of every orbit in ascending order; their sets of weights do not depend on others'."""
    orbits = [(orbit, entries_of_parts(symmetries, orbit)) for orbit in symmetries.orbits]
    # An orbit moves parts that other orbits have sorted (heads, and coordinates within a head).
    # What is outermost is settled by the first pass, what is within by the next.
    for _ in range(len(orbits) + 1):
        is_settled = True
        for orbit, entries in orbits:
            values = rows[:, entries.clamp(min=0)].masked_fill(entries < 0, 0)
            orders = _ascending(values.sort(dim=2).values)
            if bool((orders != torch.arange(len(entries))).any()):
                step = permuted(symmetries, orbit, orders.argsort(dim=1))
                rows = symmetries.entry_maps.apply(step, rows)
                is_settled = False
        if is_settled:
            break
    return rows


def _ascending(
    values: Shaped[Tensor, "networks parts weights"],
) -> Int[Tensor, "networks parts"]:
    """The order of parts by the sums of squares of their weights, then by the weights."""
    sizes = values.double().square().sum(dim=2)
    ordered, orders = sizes.sort(dim=1, stable=True)
    ties = (ordered.diff(dim=1) == 0).any(dim=1)
    for network in torch.nonzero(ties).flatten().tolist():
        keys = np.vstack([values[network].double().numpy().T[::-1], sizes[network].numpy()])
        orders[network] = torch.from_numpy(np.lexsort(keys))
    return orders
