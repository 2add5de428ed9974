"""The small modules around the layers, each made from its name by PyG's resolvers."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Literal

from torch import nn
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.resolver import (
    activation_resolver,
    aggregation_resolver,
    normalization_resolver,
)

from gnncore.errors import SpecificationError
from gnncore.models.specification import Head

_WITHOUT_CHANNELS = ("pair_norm", "graph_size_norm", "mean_subtraction_norm")


def make_activation(name: str) -> nn.Module:
    """The activation of this name."""
    return nn.Identity() if name == "identity" else activation_resolver(name)


def make_normalisation(name: str, channels: int, options: Mapping[str, object]) -> nn.Module:
    """PyG's normalisation of this name for ``channels`` channels.

    Raises:
        SpecificationError: An option that the normalisation does not have.
    """
    if name == "identity":
        return nn.Identity()
    positional = () if name in _WITHOUT_CHANNELS else (channels,)
    try:
        return normalization_resolver(name, *positional, **options)
    except (TypeError, ValueError) as error:
        raise SpecificationError(
            f"normalisation {name!r} cannot be made with {dict(options)}: {error}"
        ) from error


def make_pooling(name: str) -> Aggregation:
    """PyG's aggregation of this name."""
    return aggregation_resolver(name)


def make_head(
    head: Head | Literal["identity"], in_channels: int, out_channels: int
) -> nn.Sequential:
    """The perceptron of ``head`` between these channels; its last layer is linear."""
    if head == "identity":
        return nn.Sequential()
    modules: list[nn.Module] = []
    channels = [in_channels, *head.hidden]
    for inputs, outputs in pairwise(channels):
        modules += [nn.Linear(inputs, outputs), make_activation(head.activation)]
        modules += [nn.Dropout(head.dropout)]
    if not head.hidden:
        modules += [nn.Dropout(head.dropout)]
    return nn.Sequential(*modules, nn.Linear(channels[-1], out_channels))


def reset_all(modules: Iterable[nn.Module]) -> None:
    """Draw the parameters of these modules anew; those without have nothing to draw."""
    for module in modules:
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
