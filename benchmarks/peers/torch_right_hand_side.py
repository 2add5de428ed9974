"""The swing equation of a batch in PyTorch.

The coupling matrix is dense: at a hundred nodes a matrix product beats scattered sums over lines.
"""

from collections.abc import Callable

import torch

from gridstab.dynamics.swing import SwingModel


def torch_right_hand_side(
    model: SwingModel,
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Time and states ``(batch, 2 nodes)`` to their rates of change."""
    grid = model.grid
    nodes = grid.num_nodes
    coupling = torch.from_numpy(grid.adjacency(weighted=True).toarray())
    power, damping, inertia = (
        torch.tensor(values) for values in (grid.power, grid.damping, grid.inertia)
    )

    def right_hand_side(time: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        theta, omega = states[:, :nodes], states[:, nodes:]
        sine, cosine = torch.sin(theta), torch.cos(theta)
        pull = cosine * (sine @ coupling) - sine * (cosine @ coupling)
        return torch.cat([omega, (power - damping * omega + pull) / inertia], dim=1)

    return right_hand_side
