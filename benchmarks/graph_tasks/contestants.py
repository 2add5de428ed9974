"""The models of the long-range benchmark, each as wide as the same number of parameters allows."""

from typing import Any

from benchmarks.graph_tasks.task import GraphTask
from gnncore.models import GraphModel, Head, ModelSpecification

_DEEP: dict[str, Any] = {
    "num_layers": 12,
    "activation": "gelu",
    "normalisation": "batch_norm",
    "encoder": "linear",
    "skip": "residual",
}

CONTESTANTS: dict[str, dict[str, Any]] = {
    "DBGNN": {
        "layer": "dirac_bianconi",
        "layer_options": {"num_steps": 24},
        "num_layers": 2,
        "activation": "identity",
        "encoder": "linear",
        "skip": "input",
    },
    "DBGNN-mean": {
        "layer": "dirac_bianconi_semi_implicit",
        "layer_options": {"num_steps": 12, "delta": 0.1, "degree_power": 1.0},
        "hidden_edge_channels": 12,
        "num_layers": 2,
        "activation": "identity",
        "encoder": "linear",
        "skip": "input",
    },
    "GCN": _DEEP | {"layer": "gcn", "edge_channels": 0},
    "GCN-tuned": _DEEP | {"layer": "gcn", "edge_channels": 0, "num_layers": 6, "dropout": 0.1},
    "GPS": {
        "layer": "gps",
        "layer_options": {"local": "gated_gcn", "heads": 4},
        "num_layers": 4,
        "activation": "identity",
        "encoder": "linear",
    },
}
"""What tells the models apart. A Dirac–Bianconi signal takes two steps to the next node, so that
DBGNN sees 24 edges far, GCN 12, and GPS, by its attention, everything. DBGNN is as published.
DBGNN-mean sees as far in half the steps, semi-implicit ones, with means over edges instead of sums,
which hubs would let grow, larger weights at first, and few channels on edges, which are many: it
costs a quarter. GCN-tuned has the six layers and the dropout that were tuned for Peptides-func by
Tönshoff et al. 2023, arXiv 2309.00367."""

_LARGER = {"num_steps": 24, "delta": 0.1}
_SEMI = {"layer": "dirac_bianconi_semi_implicit"}

CARRIERS: dict[str, dict[str, Any]] = {
    "DBGNN-0.1": CONTESTANTS["DBGNN"] | {"layer_options": _LARGER},
    "DBGNN-semi": CONTESTANTS["DBGNN"] | _SEMI | {"layer_options": _LARGER},
    "DBGNN-linear": CONTESTANTS["DBGNN"] | _SEMI | {"layer_options": _LARGER | {"act": None}},
    "TAG": _DEEP | {"layer": "tag", "layer_options": {"K": 3}, "edge_channels": 0},
    "GIN": _DEEP | {"layer": "gin", "edge_channels": 0},
    "GatedGCN": _DEEP | {"layer": "gated_gcn"},
    "GATv2": _DEEP | {"layer": "gatv2"},
    "PNA": _DEEP | {"layer": "pna"},
}
"""Further models for how far a signal carries. Those of Dirac–Bianconi layers begin with weights of
0.1 instead of 0.01, so that a signal does not vanish in an untrained model; ``semi`` and ``linear``
take semi-implicit steps, the latter without activation, which is a plain wave."""

ENCODED = ("GCN", "GCN-tuned", "GPS")
"""Models that get random-walk encodings where there are any, as in their published settings."""

WIDTHS = range(4, 1025, 4)


def specification(
    name: str, task: GraphTask, parameters: int, *, walks: int = 0, **changes: Any
) -> ModelSpecification:
    """The widest model with at most so many parameters.

    Args:
        name: A key of :data:`CONTESTANTS` or :data:`CARRIERS`.
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
        **(CONTESTANTS | CARRIERS)[name],
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


def reaching(name: str, distance: int, *, steps_an_edge: int = 2) -> dict[str, Any]:
    """What makes a model see so far, in place of its usual depth.

    Layers that pass one edge are as many as the distance, those of TAG, which pass three, a third
    as many, but at least two. Dirac–Bianconi models have two layers and ``steps_an_edge`` times as
    many steps in all: a published signal takes two steps an edge, a semi-implicit one a single
    step. Attention sees everything.

    Args:
        name: A key of :data:`CONTESTANTS` or :data:`CARRIERS`.
        distance: Edges, at least 1.
        steps_an_edge: Steps of Dirac–Bianconi models for each of these edges.
    """
    values = (CONTESTANTS | CARRIERS)[name]
    options = values.get("layer_options", {})
    if values["layer"] == "gps":
        return {}
    if has_steps(name):
        steps = -(-steps_an_edge * distance // values["num_layers"])
        return {"layer_options": options | {"num_steps": steps}}
    return {"num_layers": max(2, -(-distance // options.get("K", 1)))}


def has_steps(name: str) -> bool:
    """Whether the layers of a model take steps, as Dirac–Bianconi layers do."""
    return "num_steps" in (CONTESTANTS | CARRIERS)[name].get("layer_options", {})
