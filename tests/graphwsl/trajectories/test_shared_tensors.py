"""Networks of several architectures: what they share is compared, where that is half of each."""

import torch

from graphwsl.trajectories.histories import Layers
from graphwsl.trajectories.shared_tensors import Networks, comparable


def networks(count: int, first: float, **shapes: tuple[int, ...]) -> Networks:
    layers = Layers(shapes)
    entries = sum(layers.tensor_sizes)
    rows = first + torch.arange(float(count * entries)).view(count, entries)
    return Networks([f"{first:g}.{number}" for number in range(count)], layers, rows)


def test_bodies_under_other_heads_are_compared_without_the_heads() -> None:
    one = networks(2, 0, body=(4, 3), head=(2, 3))
    other = networks(3, 100, hidden=(2, 3), body=(4, 3), head=(1, 3))
    (found,) = comparable([one, other])
    assert found.names == [*one.names, *other.names]
    assert found.layers.shapes == {"body": (4, 3)}
    assert found.left_out == ("head", "hidden")
    assert torch.equal(found.rows[:2], one.rows[:, :12])
    assert torch.equal(found.rows[2:], other.rows[:, 6:18])


def test_what_shares_little_is_left_apart() -> None:
    kinds = [networks(2, 0, body=(4, 3), bias=(5,)), networks(2, 50, body=(5, 3), bias=(5,))]
    assert comparable(kinds) == kinds
    # Each shares enough with the next, but all of them together share nothing.
    chain = [
        networks(1, 0, a=(4,), b=(4,)),
        networks(1, 50, b=(4,), c=(4,)),
        networks(1, 90, c=(4,), d=(4,)),
    ]
    assert comparable(chain) == chain
