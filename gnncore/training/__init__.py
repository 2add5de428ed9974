"""Training: a data set of graphs or of rows of numbers, settings, an objective, and one loop.

>>> import torch
>>> from torch_geometric.data import Data
>>> from gnncore.models import GraphModel, ModelSpecification
>>> ring = torch.tensor([[0, 1, 1, 2, 2, 0], [1, 0, 2, 1, 0, 2]])
>>> graphs = [Data(x=torch.randn(3, 1), edge_index=ring, y=torch.rand(3)) for _ in range(8)]
>>> store = GraphStore.from_data_list(graphs)
>>> with seeded(0):
...     model = GraphModel(
...         ModelSpecification(in_channels=1, layer="tag", hidden_channels=4, num_layers=1)
...     )
>>> settings = TrainingSettings(epochs=2, batch_size=4, device="cpu")
>>> result = fit(
...     model, store.select(range(6)), store.select([6, 7]), settings, RegressionObjective(),
...     progress=False,
... )
>>> len(result.history), predict(model, store).shape
(2, torch.Size([24, 1]))
"""

from gnncore.training.adapters import as_dataset
from gnncore.training.dataset import Batch, Dataset
from gnncore.training.forward import Forward, call_model
from gnncore.training.graph_store import GraphStore
from gnncore.training.history import TrainingResult
from gnncore.training.loader import Loader
from gnncore.training.loop import fit
from gnncore.training.objectives import (
    ClassificationObjective,
    Objective,
    RegressionObjective,
)
from gnncore.training.prediction import predict
from gnncore.training.rows import LazyRows, RaggedRows
from gnncore.training.seeding import seeded
from gnncore.training.settings import TrainingSettings
from gnncore.training.tensor_store import TensorBatch, TensorStore

__all__ = [
    "Batch",
    "ClassificationObjective",
    "Dataset",
    "Forward",
    "GraphStore",
    "LazyRows",
    "Loader",
    "Objective",
    "RaggedRows",
    "RegressionObjective",
    "TensorBatch",
    "TensorStore",
    "TrainingResult",
    "TrainingSettings",
    "as_dataset",
    "call_model",
    "fit",
    "predict",
    "seeded",
]
