"""From rows of numbers back to states: the inverse of ``NeuralGraph.flat``."""

from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from graphwsl import arguments
from graphwsl.errors import StateMismatchError
from graphwsl.neural_graph.graph import NeuralGraph
from graphwsl.populations.population import Architecture


def unflat(
    rows: Float[Tensor, "*networks entries"], architecture: Architecture | NeuralGraph
) -> dict[str, Tensor]:
    """The tensors of networks, by the names of their ``state_dict``.

    Of one row, of shape ``(entries,)``, it is a state that ``load_state_dict`` takes. Of several
    rows, each tensor is stacked, of shape ``(networks, …)``, as ``torch.func.functional_call`` and
    ``torch.func.vmap`` take them. Tensors of single precision share the memory of the rows; others
    are converted to the type that the network has, and whole numbers are rounded.

    Args:
        rows: Flattened states, as :meth:`Population.rows` and ``zoo.array`` have them.
        architecture: Architecture of the networks.

    Raises:
        StateMismatchError: The rows are not as long as the state.
    """
    if not isinstance(rows, Tensor) or not rows.ndim:
        raise StateMismatchError(
            f"rows must be a tensor of at least one dimension, got {arguments.described(rows)}"
        )
    advice = "give population.architectures[0]"
    what = "an Architecture or a NeuralGraph"
    arguments.instance("architecture", architecture, (Architecture, NeuralGraph), what, advice)
    graph = architecture.graph if isinstance(architecture, Architecture) else architecture
    length = sum(tensor.numel() for tensor in graph.state.values())
    if rows.shape[-1] != length:
        raise StateMismatchError(
            f"a row of this architecture has {length:,} numbers, got {rows.shape[-1]:,}; give the "
            "architecture that the rows are of"
        )
    networks = rows.shape[:-1]
    state = {}
    for name, start in graph.offsets.items():
        known = graph.state[name]
        part = rows[..., start : start + known.numel()]
        whole = not (known.is_floating_point() or known.is_complex())
        part = part.round() if whole else part
        state[name] = part.reshape((*networks, *known.shape)).to(known.dtype)
    for name, (owner, indices) in graph.views.items():
        values = state[owner].reshape(*networks, prod(state[owner].shape[len(networks) :]))
        state[name] = values[..., indices]
    state |= {name: state[first] for name, first in graph.aliases.items()}
    return state if networks else {**state, **graph.extra_state}


def states_of(
    rows: Float[Tensor, "networks entries"], architecture: Architecture | NeuralGraph
) -> list[dict[str, Tensor]]:
    """The state of each network, of whose flattened states these are rows; see :func:`unflat`."""
    return [unflat(row, architecture) for row in torch.unbind(rows)]
