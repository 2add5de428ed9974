"""Where does a pulse go: Dirac–Bianconi steps carry it as a wave, GCN steps spread it out."""

from typing import Any

import networkx as nx
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch_geometric.utils import from_networkx

import gridstab
from gnncore.figures import save_figure
from gnncore.layers import make_layer

TIMES = 150
MASSLESS = {"beta_n": 0.0, "beta_e": 0.0}
# Explicit steps must be small, or the fastest waves outgrow all others: ten of them at a time.
LAYERS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "dirac_bianconi": (
        {"edge_channels": 1, "act": None, "num_steps": 10},
        {"W_en": 0.03, "W_ne": -0.03, **MASSLESS},
    ),
    "dirac_bianconi_semi_implicit": (
        {"edge_channels": 1, "act": None},
        {"W_en": 0.3, "W_ne": 0.3, **MASSLESS},
    ),
    "gcn": ({}, {"operator.lin.weight": 1.0, "operator.bias": 0.0}),
}


def linear(name: str) -> nn.Module:
    """The layer with one channel, weights of our choice, and no activation."""
    options, weights = LAYERS[name]
    layer = make_layer(name, 1, 1, **options).double()
    for parameter, value in weights.items():
        nn.init.constant_(layer.get_parameter(parameter), value)
    return layer


@torch.no_grad()
def trajectory(layer: nn.Module, x: Tensor, edge_index: Tensor) -> Tensor:
    """The signal of every node at times 0, 1, …, scaled so that the largest of a time is 1."""
    edges = torch.zeros(edge_index.shape[1], 1, dtype=x.dtype)
    signals = [x]
    for _ in range(TIMES):
        x, edges = layer(x, edge_index, edges)
        signals.append(x)
    signal = torch.cat(signals, dim=1)
    return signal / signal.abs().amax(0)


def main() -> None:
    """Draw nodes over steps, on a path and on a power grid with nodes sorted by distance."""
    path, grid = nx.path_graph(100), gridstab.random_grid(100, seed=1).to_networkx()
    start = {
        "node of a path": (path, 30),
        "node of a power grid, by distance": (grid, nx.periphery(grid)[0]),
    }
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(len(start), len(LAYERS), sharex=True, sharey=True)
    for row, (where, (graph, source)) in zip(axes, start.items(), strict=True):
        distance = torch.tensor([nx.shortest_path_length(graph, source)[v] for v in graph]).double()
        order = torch.arange(100) if graph is path else distance.argsort(stable=True)
        pulse = torch.exp(-((distance / 3) ** 2) / 2)[:, None]
        edge_index = torch.cat([e := from_networkx(graph).edge_index, e.flip(0)], 1).unique(dim=1)
        for ax, name in zip(row, LAYERS, strict=True):
            signal = trajectory(linear(name), pulse, edge_index)[order].numpy()
            image = ax.imshow(
                signal, cmap="PuOr", vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
            )
            ax.set(xlabel="time (layers)", ylabel=where)
            ax.label_outer()
    for ax, name in zip(axes[0], LAYERS, strict=True):
        steps = LAYERS[name][0].get("num_steps", 1)
        ax.set_title(f"{name}, {steps} steps a layer" if steps > 1 else name, fontsize=10)
    figure.colorbar(image, ax=axes, label="signal / largest at that time", shrink=0.7)
    save_figure(figure, "pulse.png")
    print("see pulse.png")


if __name__ == "__main__":
    main()
