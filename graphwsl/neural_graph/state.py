"""The state of a network: what its ``state_dict`` holds, and where each tensor belongs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from graphwsl.errors import UnsupportedModelError
from graphwsl.neural_graph.ties import Ties, ties_of


@dataclass(frozen=True)
class State:
    """Tensors by name, tied ones once.

    Attributes:
        tensors: Those that have entries of their own.
        ties: Those that share the memory of another.
        extra: What is no tensor, or no parameter and no buffer (``get_extra_state``).
        parameters: Which names are parameters.
        frozen: Which of these no training moves (``requires_grad=False``).
        originals: The tensors as the network holds them.
        paths: Where each name's tensor is in the network, which hooks may have renamed.
    """

    tensors: dict[str, Tensor]
    ties: Ties
    extra: dict[str, Any]
    parameters: frozenset[str]
    frozen: frozenset[str]
    originals: list[Tensor]
    paths: dict[str, str]

    def attributes(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values for all parameters and persistent buffers, tied ones included."""
        given = dict(values)
        for name, (owner, indices) in self.ties.views.items():
            given[name] = values[owner].reshape(-1)[indices]
        given.update({name: given[first] for name, first in self.ties.aliases.items()})
        return {self.paths[name]: tensor for name, tensor in given.items()}


def state_of(model: nn.Module) -> State:
    """The state of a network.

    Raises:
        UnsupportedModelError: A parameter has no shape yet, or tensors overlap in memory.
    """
    tensors: dict[str, Tensor] = {}
    extra: dict[str, Any] = {}
    attributes = {
        **dict(model.named_buffers(remove_duplicate=False)),
        **dict(model.named_parameters(remove_duplicate=False)),
    }
    lazy = [name for name, tensor in attributes.items() if is_lazy(tensor)]
    if lazy:
        raise UnsupportedModelError(
            f"{lazy[0]} of {type(model).__name__} has no shape yet; run the network once on its "
            "inputs, which gives a lazy module its weights"
        )
    # keep_vars: parameters are told from buffers, and found again under other names.
    for name, value in model.state_dict(keep_vars=True).items():
        is_extra = name.split(".")[-1] == nn.modules.module._EXTRA_STATE_KEY_SUFFIX
        (extra if is_extra or not isinstance(value, Tensor) else tensors)[name] = value
    paths = {id(tensor): path for path, tensor in attributes.items()}
    foreign = [
        name
        for name, tensor in tensors.items()
        if name not in attributes and id(tensor) not in paths
    ]
    if foreign:
        raise UnsupportedModelError(
            f"{foreign[0]} in the state of {type(model).__name__} is no parameter or buffer, but "
            "made for it, as quantised modules do; give the network before it was packed"
        )
    ties = ties_of(tensors)
    own = [name for name in tensors if name not in ties.aliases]
    own = [name for name in own if ties.views.get(name, (name,))[0] == name]
    parameters = frozenset(name for name in own if isinstance(tensors[name], nn.Parameter))
    return State(
        tensors={name: tensors[name].detach() for name in own},
        ties=ties,
        extra=extra,
        parameters=parameters,
        frozen=frozenset(name for name in parameters if not tensors[name].requires_grad),
        originals=list(tensors.values()),
        paths={
            name: name if name in attributes else paths[id(tensor)]
            for name, tensor in tensors.items()
        },
    )
