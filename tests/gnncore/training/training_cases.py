"""Small graphs whose labels a graph network can learn, and small networks."""

import torch
from torch import nn
from torch_geometric.data import Data

from gnncore.models import GraphModel, ModelSpecification
from gnncore.training import GraphStore, TrainingSettings, seeded


def ring(nodes: int, generator: torch.Generator) -> Data:
    """A ring with random chords; the label of a node is half the mean of its neighbours' x."""
    chords = torch.randint(nodes, (2, nodes // 2), generator=generator)
    around = torch.arange(nodes)
    ahead = torch.cat([torch.stack([around, around.roll(-1)]), chords], dim=1)
    edge_index = torch.cat([ahead, ahead.flip(0)], dim=1)
    x = torch.randn(nodes, 1, generator=generator)
    sums = torch.zeros(nodes).index_add_(0, edge_index[1], x[edge_index[0], 0])
    degree = torch.bincount(edge_index[1], minlength=nodes)
    return Data(
        x=x,
        edge_index=edge_index,
        edge_attr=torch.ones(edge_index.size(1), 1),
        y=0.5 * sums / degree,
    )


def rings(count: int, seed: int = 0) -> list[Data]:
    """Rings of 3 to 8 nodes."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(3, 9, (count,), generator=generator).tolist()
    return [ring(size, generator) for size in sizes]


TRAIN = GraphStore.from_data_list(rings(20, seed=1))
VALIDATION = GraphStore.from_data_list(rings(6, seed=2))


def small_model(seed: int = 0, **options: object) -> GraphModel:
    """Two layers with everything that has a state: batch normalisation and dropout."""
    values = {
        "in_channels": 1,
        "layer": "sage",
        "hidden_channels": 4,
        "num_layers": 2,
        "normalisation": "batch_norm",
        "dropout": 0.1,
    }
    with seeded(seed):
        return GraphModel(ModelSpecification(**values | options))


def settings(**options: object) -> TrainingSettings:
    """Few, small epochs on the CPU, with a checkpoint after each."""
    values = {
        "epochs": 4,
        "batch_size": 6,
        "learning_rate": 0.01,
        "device": "cpu",
        "checkpoint_seconds": 0,
    }
    return TrainingSettings(**values | options)


def weights(model: nn.Module) -> bytes:
    """All weights, to the last bit."""
    return b"".join(
        name.encode() + tensor.detach().numpy().tobytes()
        for name, tensor in model.state_dict().items()
    )
