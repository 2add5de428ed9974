"""Models of a hub as a population: traced where their program is known, else their tensors alone.

A ``config.json`` often names an architecture of ``transformers``, whose program is installed: it is
built, filled and traced, as every other network. Of other models there are names and shapes alone.
Nobody knows what such tensors do: a matrix may be a linear layer or an embedding, and a name is no
proof. So they make tokens in the order of their names, a tensor a layer, of the type
:attr:`~graphwsl.populations.unit_entries.LayerType.OTHER`, and running such a network is refused.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from graphwsl.errors import GraphwslError, ImportedModelError, UnsupportedModelError
from graphwsl.imports.hub_cache import HubModel
from graphwsl.imports.state import load_into
from graphwsl.imports.transformers import HEADS, from_transformers, shapes_of_transformers
from graphwsl.neural_graph.trace import neural_graph
from graphwsl.populations.population import Architecture, Function, Population
from graphwsl.zoo.checkpoint import Checkpoint, Problem

Network = tuple[nn.Module, Any]
"""A network, and inputs on which it runs."""

MOST_ENTRIES = 30_000_000
"""Numbers of a model at most, unless the caller says else: what a laptop holds several times."""


@dataclass(frozen=True, eq=False)
class HubNetworks:
    """Models of a hub as networks.

    Attributes:
        population: All that can be used, named by their repositories; licence, revision and
            architecture are among their factors.
        untraced: Why models are known by their tensors alone, by repository.
        left_out: What cannot be used at all, and why.
    """

    population: Population
    untraced: dict[str, str]
    left_out: list[Problem]


def hub_networks(
    models: Iterable[HubModel],
    *,
    networks: Mapping[str, Network] | None = None,
    max_entries: int = MOST_ENTRIES,
) -> HubNetworks:
    """Read the weights of models, and trace what can be traced.

    Args:
        models: The models, such as ``list_hub_cache(folder).distinct()``.
        networks: For models whose program the caller has, by repository: the network, whose own
            weights are of no account, and example inputs. They must take the weights exactly.
        max_entries: Models of more numbers are left out.

    Raises:
        ImportedModelError: No model can be used.
    """
    parts: list[Population] = []
    untraced: dict[str, str] = {}
    left_out: list[Problem] = []
    for model in models:
        try:
            if model.num_entries > max_entries:
                raise ImportedModelError(
                    f"it has {model.num_entries:,} numbers, more than {max_entries:,} (max_entries)"
                )
            part, reason = _read(model, (networks or {}).get(model.repo_id))
        except GraphwslError as error:
            left_out.append(Problem(model.repo_id, str(error)))
            continue
        parts.append(part)
        if reason is not None:
            untraced[model.repo_id] = reason
    if not parts:
        reason = f"; {left_out[0].path}: {left_out[0].reason}" if left_out else ""
        raise ImportedModelError(f"there are no models that can be used{reason}")
    return HubNetworks(Population.join(parts), untraced, left_out)


class WeightsAlone(nn.Module):
    """Stands for a network of which only the weights are known; it does not run.

    Args:
        repo_id: Where the weights are from.
    """

    def __init__(self, repo_id: str) -> None:
        super().__init__()
        self.repo_id = repo_id

    def forward(self, *inputs: Any) -> Tensor:
        """Refuse to run.

        Args:
            *inputs: Anything.

        Raises:
            UnsupportedModelError: Always.
        """
        raise UnsupportedModelError(
            f"of {self.repo_id!r} only the weights are known, not what they compute; give its "
            "network to hub_networks (networks=)"
        )


def _read(model: HubModel, given: Network | None) -> tuple[Population, str | None]:
    state = model.state()
    floating = sum(one.numel() for one in state.values() if one.is_floating_point())
    if 2 * floating < model.num_entries:
        raise ImportedModelError("most of its numbers are integers, as of quantised weights")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ImportedModelError(f"tensor {name!r} is not finite")
    reason = None
    if given is not None:
        module, inputs = given
        function = Function.of(load_into(module, state).eval(), inputs, model.repo_id)
    else:
        try:
            function = _by_configuration(model, state)
        except GraphwslError as error:
            reason = str(error)
            function = _by_shapes(model, state)
    graph = function.architecture.graph
    row = graph.flat(dtype=torch.float32)
    known = {
        "architecture": str((model.config or {}).get("model_type", "unknown")),
        "licence": model.licence,
        "revision": model.revision,
    }
    checkpoint = Checkpoint(model.repo_id, None, {**known, "is_traced": reason is None}, {})
    return Population.alike([checkpoint], [row], function), reason


def _by_configuration(model: HubModel, state: Mapping[str, Tensor]) -> Function:
    """The network that ``transformers`` builds for the configuration, filled and traced."""
    if model.config is None or "model_type" not in model.config:
        raise ImportedModelError("no configuration names its architecture")
    reason = "its weights are of none of the networks that transformers builds for it"
    for head in HEADS:
        try:
            shapes = shapes_of_transformers(model.config, head=head)
        except ImportedModelError as error:
            reason = str(error) if head == HEADS[-1] else reason
            continue
        # Positions and the like, which some files keep, are no weights.
        own = {
            name: tensor
            for name, tensor in state.items()
            if name in shapes or tensor.is_floating_point()
        }
        if any(shapes.get(name) != tuple(tensor.shape) for name, tensor in own.items()):
            continue
        module, inputs = from_transformers(model.config, head=head)
        try:
            load_into(module.model, own)
        except GraphwslError as error:
            reason = str(error)
            continue
        return Function.of(module, inputs, model.repo_id)
    raise ImportedModelError(reason)


def _by_shapes(model: HubModel, state: Mapping[str, Tensor]) -> Function:
    """A network of tensors that nothing reads, in the order of their names."""
    root = _Nothing()
    for name in sorted(state, key=_natural):
        *path, last = name.split(".")
        inner: nn.Module = root
        try:
            for part in path:
                if part not in inner._modules:
                    inner.add_module(part, nn.Module())
                inner = inner.get_submodule(part)
            tensor = state[name]
            if tensor.is_floating_point():
                inner.register_parameter(last, nn.Parameter(tensor.float(), requires_grad=False))
            else:
                inner.register_buffer(last, tensor)
        except (AttributeError, KeyError) as error:
            raise ImportedModelError(f"{name!r} names no tensor of a network") from error
    inputs = torch.zeros(1, 1)
    architecture = Architecture(neural_graph(root, inputs), model.repo_id)
    return Function(WeightsAlone(model.repo_id), inputs, architecture)


class _Nothing(nn.Module):
    """Reads none of its tensors."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def _natural(name: str) -> list[tuple[int, str]]:
    """Layer 2 before layer 10."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
