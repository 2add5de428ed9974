"""Which permutation of a network goes with a draw of noise: equivariant optimal transport.

Lines from noise to networks cross less, and are easier to learn, if each network is first permuted
to lie close to its noise. The flow stays equivariant, for permuted noise pairs with the network in
that permutation; Klein, Krämer, Noé, "Equivariant flow matching" (2023).
"""

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from graphwsl.generators.flow.plan import Flat, FlowPlan, Parts


@torch.no_grad()
def paired(plan: FlowPlan, noise: Flat, networks: Flat, sweeps: int) -> Flat:
    """Networks, each permuted to lie close to the noise of its row.

    Orbit after orbit, units are assigned to those of the noise with which they agree most, all
    other orbits held fixed. The distance never grows; the best of all permutations is not
    guaranteed.

    Args:
        plan: Their architecture.
        noise: A row a network.
        networks: In the same coordinates.
        sweeps: How often all orbits are assigned; 0 leaves networks as they are.
    """
    start, moved = plan.split(noise), plan.split(networks)
    for _ in range(sweeps):
        for orbit in range(len(plan.units)):
            order = _assigned(_agreement(plan, orbit, start, moved))
            moved = _permuted(plan, orbit, order, moved)
    return moved.flat()


def _agreement(
    plan: FlowPlan, orbit: int, start: Parts, moved: Parts
) -> Float[Tensor, "networks units units"]:
    """Inner products of every unit of the noise with every unit of the network."""
    total = start.units[orbit] @ moved.units[orbit].mT
    for pairs, ours, theirs in zip(plan.pairs, start.pairs, moved.pairs, strict=True):
        if pairs.targets == orbit:
            total = total + ours.flatten(2) @ theirs.flatten(2).mT
        if pairs.sources == orbit:
            ours, theirs = (one.transpose(1, 2).flatten(2) for one in (ours, theirs))
            total = total + ours @ theirs.mT
    return total


def _assigned(agreement: Float[Tensor, "networks units units"]) -> Int[Tensor, "networks units"]:
    """For every unit of the noise the unit of the network that goes with it."""
    found = [linear_sum_assignment(one, maximize=True)[1] for one in agreement.cpu().numpy()]
    return torch.stack([torch.from_numpy(one) for one in found]).to(agreement.device)


def _permuted(
    plan: FlowPlan, orbit: int, order: Int[Tensor, "networks units"], parts: Parts
) -> Parts:
    units, pairs = list(parts.units), list(parts.pairs)
    units[orbit] = units[orbit].take_along_dim(order[:, :, None], 1)
    for number, ends in enumerate(plan.pairs):
        if ends.targets == orbit:
            pairs[number] = pairs[number].take_along_dim(order[:, :, None, None], 1)
        if ends.sources == orbit:
            pairs[number] = pairs[number].take_along_dim(order[:, None, :, None], 2)
    return Parts(units, pairs, parts.rest)
