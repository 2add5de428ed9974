"""torchdiffeq's dopri5; the whole batch shares one step size."""

import torch
from torchdiffeq import odeint

from benchmarks.peers import TOLERANCE, Peer, Solve, States
from benchmarks.peers.torch_right_hand_side import torch_right_hand_side
from gridstab.dynamics.swing import SwingModel


def build(model: SwingModel) -> Solve:
    """Solves a batch in double precision, without gradients."""
    right_hand_side = torch_right_hand_side(model)
    torch.set_num_threads(1)

    @torch.inference_mode()
    def solve(states: States, horizon: float) -> States:
        times = torch.tensor([0.0, horizon], dtype=torch.float64)
        solution = odeint(
            right_hand_side,
            torch.from_numpy(states),
            times,
            method="dopri5",
            rtol=TOLERANCE,
            atol=TOLERANCE,
        )
        return solution[-1].numpy()

    return solve


PEER = Peer("torchdiffeq dopri5, batch 100", build, batch=100)
