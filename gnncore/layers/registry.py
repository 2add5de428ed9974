"""Layers by name: what a model specification can ask for."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gnncore.errors import SpecificationError
from gnncore.layers.layer import GraphLayer
from gnncore.layers.templates import keep_templates_in_memory
from gnncore.registry import Registry

Build = TypeVar("Build", bound=Callable[..., GraphLayer])

_CHANNELS = ("in_channels", "out_channels", "edge_channels")


@dataclass(frozen=True)
class LayerFactory:
    """How a layer is made from its channels and options.

    Attributes:
        build: The class or function that makes it.
        options: Names of its options, all of them with defaults.
    """

    build: Callable[..., GraphLayer]
    options: tuple[str, ...]

    def __call__(
        self, in_channels: int, out_channels: int, edge_channels: int = 0, **options: Any
    ) -> GraphLayer:
        """A fresh layer."""
        layer = self.build(in_channels, out_channels, edge_channels, **options)
        keep_templates_in_memory(layer)
        return layer


LAYERS: Registry[LayerFactory] = Registry(
    "layer",
    SpecificationError,
    listing="the layers are",
    more=", and those that a module of your own registers once it is imported "
    "(--import in commands)",
)
"""All layers by name; importing :mod:`gnncore.layers` fills it."""


def register_layer(
    name: str, *, options: tuple[str, ...] | None = None
) -> Callable[[Build], Build]:
    """Decorator of a class or function that takes ``in_channels, out_channels, edge_channels``.

    Args:
        name: What specifications call the layer.
        options: Names of its options; None takes the further parameters of its signature.

    Raises:
        SpecificationError: Another layer has this name.
    """

    def register(build: Build) -> Build:
        names = tuple(inspect.signature(build).parameters) if options is None else options
        factory = LayerFactory(build, tuple(n for n in names if n not in _CHANNELS))
        LAYERS.add(name, factory, defined=build)
        return build

    return register


def make_layer(
    name: str, in_channels: int, out_channels: int, edge_channels: int = 0, **options: Any
) -> GraphLayer:
    """The layer of this name, freshly initialised.

    Args:
        name: A key of :data:`LAYERS`.
        in_channels: Channels of the nodes that come in.
        out_channels: Channels of the nodes that go out.
        edge_channels: Channels of the edges that come in; 0 if there are none. PyG's word for it,
            ``edge_dim``, is understood too.
        **options: Whatever the layer knows besides; ``LAYERS[name].options`` lists them.

    Raises:
        SpecificationError: An unknown layer, an option that it does not have, or values that do
            not fit the layer or each other.
    """
    factory = LAYERS.find(name)
    edge_channels = with_edge_dim(edge_channels, options.pop("edge_dim", None))
    for option in options:
        if option not in factory.options:
            known = ", ".join(factory.options) or "none"
            raise SpecificationError(
                f"layer {name!r} has no option {option!r}; its options are {known}"
            )
    for what, channels, least in (
        ("in_channels", in_channels, 1),
        ("out_channels", out_channels, 1),
        ("edge_channels", edge_channels, 0),
    ):
        if channels < least:
            raise SpecificationError(
                f"{what} of layer {name!r} must be at least {least}, got {channels}"
            )
    try:
        return factory(in_channels, out_channels, edge_channels, **options)
    except SpecificationError:
        raise
    # What the operators of PyG raise for values that they cannot work with.
    except (TypeError, ValueError, AssertionError, RuntimeError, ZeroDivisionError) as error:
        given = ", ".join(f"{option}={value!r}" for option, value in options.items())
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecificationError(
            f"layer {name!r} cannot be built from {in_channels} to {out_channels} channels "
            f"with {given or 'its defaults'}: {reason}"
        ) from error


def with_edge_dim(edge_channels: int, edge_dim: int | None) -> int:
    """Channels of the edges, by this package's word or by PyG's.

    Args:
        edge_channels: 0 if not given.
        edge_dim: None if not given.

    Raises:
        SpecificationError: Both are given and differ.
    """
    if edge_dim is None or edge_channels == edge_dim:
        return edge_channels
    if edge_channels:
        raise SpecificationError(
            f"edge_dim {edge_dim} and edge_channels {edge_channels} mean the same; give one"
        )
    return edge_dim
