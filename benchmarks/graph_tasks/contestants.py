"""The models of the long-range benchmark, each as wide as the same number of parameters allows."""

from typing import Any

from benchmarks.graph_tasks.task import GraphTask
from gnncore.models import GraphModel, Head, ModelSpecification

CONTESTANTS: dict[str, dict[str, Any]] = {
    "DBGNN": {
        "layer": "dirac_bianconi",
        "layer_options": {"num_steps": 24},
        "num_layers": 2,
        "activation": "identity",
        "encoder": "linear",
        "skip": "input",
    },
    "GCN": {
        "layer": "gcn",
        "edge_channels": 0,
        "num_layers": 12,
        "activation": "gelu",
        "normalisation": "batch_norm",
        "encoder": "linear",
        "skip": "residual",
    },
    "GPS": {
        "layer": "gps",
        "layer_options": {"local": "gated_gcn", "heads": 4},
        "num_layers": 4,
        "activation": "identity",
        "encoder": "linear",
    },
}
"""What tells the models apart. A Dirac–Bianconi signal takes two steps to the next node, so that
DBGNN sees 24 edges far, GCN 12, and GPS, by its attention, everything."""

SINGLE_LAYERS: dict[str, dict[str, Any]] = {
    name: {
        "layer": layer,
        "num_layers": 12,
        "activation": "gelu",
        "normalisation": "batch_norm",
        "encoder": "linear",
        "skip": "residual",
        **({} if takes_edges else {"edge_channels": 0}),
    }
    for name, layer, takes_edges in (
        ("GIN", "gin", False),
        ("GatedGCN", "gated_gcn", True),
        ("GATv2", "gatv2", True),
        ("PNA", "pna", True),
    )
}
"""Further models for how far a signal carries: one layer, over and over."""

ENCODED = ("GCN", "GPS")
"""Models that get random-walk encodings where there are any, as in their published settings."""

WIDTHS = range(4, 1025, 4)


def specification(
    name: str, task: GraphTask, parameters: int, *, walks: int = 0, **changes: Any
) -> ModelSpecification:
    """The widest model with at most so many parameters.

    Args:
        name: A key of :data:`CONTESTANTS` or :data:`SINGLE_LAYERS`.
        task: What it is for.
        parameters: Largest number.
        walks: Steps of the random-walk encoding; 0 for none.
        changes: In place of what these say.

    Raises:
        ValueError: Even the narrowest model has more.
    """
    values = {
        "in_channels": task.in_channels,
        "edge_channels": task.edge_channels,
        "out_channels": task.out_channels,
        "pooling": task.pooling,
        **(CONTESTANTS | SINGLE_LAYERS)[name],
        **changes,
    }
    if walks and name in ENCODED:
        values["encoding"] = {"kind": "random_walk", "steps": walks}

    def of_width(width: int) -> ModelSpecification:
        head = Head(hidden=(width, width), activation="gelu")
        return ModelSpecification(**values, hidden_channels=width, head=head)

    fitting = 0
    low, high = 0, len(WIDTHS)
    while low < high:
        middle = (low + high) // 2
        if GraphModel(of_width(WIDTHS[middle])).num_parameters <= parameters:
            fitting, low = WIDTHS[middle], middle + 1
        else:
            high = middle
    if not fitting:
        raise ValueError(f"{name} has more than {parameters:,} parameters at any width")
    return of_width(fitting)
