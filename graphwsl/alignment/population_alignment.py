"""Bringing a whole population into line: every network as close to all others as permutations can.

S. K. Ainsworth, J. Hayase, S. Srinivasa, "Git Re-Basin: Merging models modulo permutation
symmetries" (2023), Algorithm 3: each network is matched with the sum of the others, until nothing
improves. So no network is the measure of all, whichever the first one is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from graphwsl import arguments
from graphwsl.alignment.weight_matching import parameter_mask, part_entries
from graphwsl.errors import GraphwslError
from graphwsl.symmetries.elements import Elements
from graphwsl.symmetries.group import Symmetries
from graphwsl.symmetries.orbits import Orbit

PART = 2**22
"""Weights that are compared at once, which bounds the memory beside the population."""


@dataclass(frozen=True)
class PopulationAlignment:
    """The result of matching all networks of a population.

    Attributes:
        elements: The symmetry to apply to each network.
        rows: Their flattened states afterwards, not a bit of a number changed.
        distance_before: Root of the mean squared Euclidean distance of two networks before.
        distance: The same afterwards.
        sweeps: How often all orbits of all networks were matched.
    """

    elements: Elements
    rows: Shaped[Tensor, "networks entries"]
    distance_before: float
    distance: float
    sweeps: int


def align_population(
    symmetries: Symmetries,
    rows: Shaped[Tensor, "networks entries"],
    *,
    generator: torch.Generator | None = None,
    max_sweeps: int = 100,
) -> PopulationAlignment:
    """Permute every network to be as close as possible to all others.

    First all are matched with the one that is closest to their mean, then each with the sum of the
    others, one after the other. Distances never grow from sweep to sweep; the best of all
    permutations is not guaranteed (the problem is NP-hard). Running statistics follow but do not
    count.

    Args:
        symmetries: Symmetries of the architecture.
        rows: Flattened states, such as those of ``Population.rows``.
        generator: Draws the order of orbits and networks.
        max_sweeps: Stop after so many even if distances still fall.

    Raises:
        StateMismatchError: The rows are of another architecture.
        GraphwslError: Some weights are not finite.
    """
    advice = "give graphwsl.symmetries.symmetries(graph) of the networks"
    arguments.instance("symmetries", symmetries, Symmetries, "Symmetries", advice)
    arguments.generator("generator", generator)
    symmetries.entry_maps.check(rows)
    if not bool(rows.isfinite().all()):
        raise GraphwslError("only networks of finite weights can be aligned")
    matching = _Matching(symmetries, rows)
    before = matching.distance()
    networks = torch.arange(len(rows))
    sweeps = 0
    improved = len(rows) > 1
    reference = matching.central() if improved else matching.weights.sum(dim=0)
    while improved and sweeps < max_sweeps:
        improved, sweeps = False, sweeps + 1
        for orbit in torch.randperm(len(symmetries.orbits), generator=generator).tolist():
            improved |= matching.match(orbit, networks, reference)
    improved = len(rows) > 1
    while improved and sweeps < max_sweeps:
        improved, sweeps = False, sweeps + 1
        total = matching.weights.sum(dim=0)
        for orbit in torch.randperm(len(symmetries.orbits), generator=generator).tolist():
            for network in torch.randperm(len(rows), generator=generator):
                others = total - matching.weights[network]
                if matching.match(orbit, network[None], others):
                    total = others + matching.weights[network]
                    improved = True
    identity = Elements.identity(symmetries.graph, len(rows))
    elements = Elements(symmetries.graph, matching.image, identity.factors)
    aligned = symmetries.entry_maps.apply(elements, rows)
    return PopulationAlignment(elements, aligned, before, matching.distance(), sweeps)


class _Matching:
    """A population while it is matched.

    Attributes:
        weights: Parameters in double precision and zeros for all else, and one zero more for
            indices of no entry, shape ``(networks, entries + 1)``.
        image: Where the nodes of each network have gone, shape ``(networks, nodes)``.
    """

    def __init__(self, symmetries: Symmetries, rows: Shaped[Tensor, "networks entries"]) -> None:
        graph = symmetries.graph
        self._symmetries = symmetries
        kind = torch.complex128 if rows.is_complex() else torch.float64
        weights = torch.where(parameter_mask(graph), rows, 0).to(kind)
        self.weights = torch.cat([weights, weights.new_zeros(len(rows), 1)], dim=1)
        self.image = torch.arange(graph.num_nodes).repeat(len(rows), 1)
        self._parts = [entries_of_parts(symmetries, orbit) for orbit in symmetries.orbits]

    def distance(self) -> float:
        """Root of the mean squared distance of two networks; 0 of fewer than two."""
        spread = float((self.weights - self.weights.mean(dim=0)).abs().square().sum())
        return (2 * spread / max(len(self.weights) - 1, 1)) ** 0.5

    def central(self) -> Shaped[Tensor, " entries"]:
        """The network that is closest to the mean of all."""
        spread = (self.weights - self.weights.mean(dim=0)).abs().square().sum(dim=1)
        return self.weights[spread.argmin()].clone()

    def match(
        self, orbit: int, networks: Int[Tensor, " some"], target: Shaped[Tensor, " entries"]
    ) -> bool:
        """Permute one orbit of some networks to agree with a target, where that improves."""
        entries = self._parts[orbit]
        improved = False
        for some in networks.split(max(PART // max(entries.numel(), 1), 1)):
            theirs = self.weights[some[:, None, None], entries]
            agreement = torch.matmul(target[entries].conj(), theirs.mT)
            if agreement.is_complex():
                agreement = agreement.real
            # Part matches[i] of a network is sent to part i.
            matches = [linear_sum_assignment(one, maximize=True)[1] for one in agreement.numpy()]
            orders = torch.stack([torch.from_numpy(one) for one in matches]).argsort(dim=1)
            differs = (orders != torch.arange(len(entries))).any(dim=1)
            if bool(differs.any()):
                step = permuted(self._symmetries, self._symmetries.orbits[orbit], orders[differs])
                improved |= bool(self._accept(some[differs], step, target).any())
        return improved

    def _accept(
        self, networks: Int[Tensor, " some"], step: Elements, target: Shaped[Tensor, " entries"]
    ) -> Bool[Tensor, " some"]:
        """Take a step where it brings a network closer; which networks it does."""
        own = self.weights[networks]
        moved = own.clone()
        moved[:, :-1] = self._symmetries.entry_maps.apply(step, own[:, :-1])
        # Weights between two parts of one orbit make the agreement an estimate.
        gain = (target.conj() * (moved - own)).sum(dim=1)
        gain = gain.real if gain.is_complex() else gain
        is_closer = gain > 1e-12 * own.norm(dim=1) * target.norm()
        taken = networks[is_closer]
        self.weights[taken] = moved[is_closer]
        self.image[taken] = step.image[is_closer].gather(1, self.image[taken])
        return is_closer


def permuted(symmetries: Symmetries, orbit: Orbit, orders: Int[Tensor, "some parts"]) -> Elements:
    """The elements that send part ``i`` of an orbit to part ``orders[:, i]``."""
    identity = Elements.identity(symmetries.graph, len(orders))
    image = identity.image.clone()
    image[:, orbit.nodes.flatten()] = orbit.nodes[orders].flatten(1)
    return Elements(symmetries.graph, image, identity.factors)


def entries_of_parts(symmetries: Symmetries, orbit: Orbit) -> Int[Tensor, "parts weights"]:
    """All entries at the nodes of every part, corresponding ones in a column; -1 for none."""
    several = [rows for use in symmetries.graph.uses for rows in part_entries(use, orbit)]
    return torch.cat([torch.zeros(len(orbit.nodes), 0, dtype=torch.int64), *several], dim=1)
