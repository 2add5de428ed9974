"""Frames: aligned networks do what they did, and no order of units changes how far they are."""

from dataclasses import replace

import pytest
import torch

from graphwsl.generators.frames import Alignment, Frame
from graphwsl.populations import Population
from graphwsl.symmetries import symmetries
from tests.graphwsl.generators.method_cases import population, rows


def scattered(some: Population, seed: int) -> Population:
    """Every network with its units in another order."""
    group = symmetries(some.architectures[0].graph)
    drawn = group.draw(len(some), torch.Generator().manual_seed(seed), scalings=False, signs=False)
    return replace(some, states=[*group.entry_maps.apply(drawn, rows(some))])


def spread(some: Population) -> float:
    values = rows(some).double()
    return float((values - values.mean(0)).square().sum())


def test_networks_stay_as_they_are_without_alignment() -> None:
    own = population("mlp")
    frame, same = Frame.of(own, "none")
    assert same is own
    assert frame.aligned(own) is own


@pytest.mark.parametrize("alignment", ["reference", "barycentre"])
def test_scattered_copies_come_together(alignment: Alignment) -> None:
    one = population("mlp").select([0] * 6)
    copies = scattered(one, 0)
    assert spread(copies) > 1
    frame, aligned = Frame.of(copies, alignment)
    assert spread(aligned) < 1e-6
    others = frame.aligned(scattered(one, 1))
    assert spread(Population.join([aligned, others])) < 1e-6


def test_a_barycentre_is_closer_to_all_than_one_of_them() -> None:
    own = population("mlp")
    spreads = [spread(Frame.of(own, alignment)[1]) for alignment in ("reference", "barycentre")]
    assert spreads[1] <= spreads[0] < spread(own)
