"""torchode's Tsit5; every trajectory has its own step size, finished ones wait for the last."""

import torch
import torchode

from benchmarks.peers import TOLERANCE, Peer, Solve, States
from benchmarks.peers.torch_right_hand_side import torch_right_hand_side
from gridstab.dynamics.swing import SwingModel


def build(model: SwingModel) -> Solve:
    """Solves a batch in double precision, without gradients."""
    torch.set_num_threads(1)
    term = torchode.ODETerm(torch_right_hand_side(model))
    controller = torchode.IntegralController(atol=TOLERANCE, rtol=TOLERANCE, term=term)
    solver = torchode.AutoDiffAdjoint(torchode.Tsit5(term=term), controller)

    @torch.no_grad()
    def solve(states: States, horizon: float) -> States:
        times = torch.tensor([0.0, horizon], dtype=torch.float64).repeat(len(states), 1)
        problem = torchode.InitialValueProblem(y0=torch.from_numpy(states), t_eval=times)
        return solver.solve(problem).ys[:, -1].numpy()

    return solve


PEER = Peer("torchode tsit5, batch 100", build, batch=100)
